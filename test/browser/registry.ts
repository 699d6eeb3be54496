import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';

export interface RunningRegistry {
  /** Without a slash at the end. */
  url: string;
  stop(): Promise<void>;
}

/**
 * `npm start` as a person would run it, with the demo story, on a free port and in a directory of its own.
 * `BROWSER_TEST_URL` names a registry that runs already instead; it must have told its story.
 */
export async function startRegistry(): Promise<RunningRegistry> {
  const running = process.env['BROWSER_TEST_URL'];
  if (running !== undefined && running !== '') return { url: running.replace(/\/$/, ''), stop: async () => {} };

  const dataDir = await mkdtemp(join(tmpdir(), 'margo-browser-'));
  const child = spawn(process.execPath, ['scripts/start.mjs'], {
    cwd: join(import.meta.dirname, '../..'),
    env: { ...process.env, PORT: String(await freePort()), DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = async () => {
    await terminate(child);
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    return { url: await readiness(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The address in the start-up line `ready <url>`; an exit before it fails with what the process said. */
function readiness(child: ChildProcess): Promise<string> {
  let said = '';
  return new Promise((resolve, reject) => {
    const listen = (chunk: Buffer) => {
      said += chunk.toString();
      const url = /^.*\bready (https?:\/\/\S+)/m.exec(said)?.[1];
      if (url !== undefined) resolve(url.replace(/\/$/, ''));
    };
    child.stdout?.on('data', listen);
    child.stderr?.on('data', listen);
    child.once('exit', (code) => reject(new Error(`The registry ended with ${code} before it was ready:\n${said}`)));
  });
}

async function terminate(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
