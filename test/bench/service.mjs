import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '../..');
/** What `npm start` says: npm itself is left out, since it would stand between us and the process that is measured. */
const START = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  .scripts.start.replace(/^exec node /, '')
  .split(' ');

/** Runs `work` against the service of this checkout with its story played; `seconds` is how long it took to be ready. */
export async function withService(work, { dataDir, env = {} } = {}) {
  const directory = dataDir ?? mkdtempSync(join(tmpdir(), 'margo-bench-'));
  const begin = performance.now();
  const child = spawn(process.execPath, START, {
    cwd: root,
    env: { ...process.env, PORT: String(await freePort()), DATA_DIR: directory, LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const url = await new Promise((resolve, reject) => {
      child.on('exit', (code) => reject(new Error(`The service ended with ${code} before it was ready.`)));
      createInterface(child.stdout).on('line', (line) => {
        if (line.startsWith('ready ')) resolve(line.slice(6));
      });
    });
    const seconds = (performance.now() - begin) / 1000;
    return await work({ url, dataDir: directory, seconds, pid: child.pid });
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    if (dataDir === undefined) rmSync(directory, { recursive: true, force: true });
  }
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid) {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
