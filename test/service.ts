/** The service of this checkout as a child process, for tests that treat it as strangers do: over HTTP and by signals. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const repository = join(import.meta.dirname, '..');

export interface Service {
  /** `http://localhost:<port>`. */
  readonly url: string;
  /** `DATA_DIR`; what the story leaves is in its `demo` folder. */
  readonly dataDir: string;
  readonly child: ChildProcess;
  /** Asks it to end, waits, and removes the data directory if it was made here. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  /** Plays the story first, as `npm start` does. Default true. */
  readonly story?: boolean;
  /** Kept when given; a temporary one otherwise. */
  readonly dataDir?: string;
  readonly port?: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts the built service by its start script and waits for its last start-up line. */
export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'margo-service-')));
  const port = options.port ?? (await freePort());
  const flags = options.story === false ? ['--empty'] : [];
  const child = startProgram(process.execPath, [join(repository, 'scripts/start.mjs'), ...flags], {
    PORT: String(port),
    DATA_DIR: dataDir,
    LOG_LEVEL: 'error',
    ...options.env,
  });
  const stop = async () => {
    await stopProgram(child);
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const { found, output } = await readyLine(child, /^ready (http\S+)/);
    // The service runs on when its story fails, but then there is nothing to judge.
    if (options.story !== false && !existsSync(join(dataDir, 'demo/done'))) {
      throw new Error(`The story did not come to its end:\n${output}`);
    }
    return { url: found, dataDir, child, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The kernel ends the child with this process, however this process ends. */
export function startProgram(program: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'TERM', program, ...args], {
    cwd: repository,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** The first capture of the line of standard output that matches; fails with all output when the process ends before. */
export async function readyLine(child: ChildProcess, pattern: RegExp): Promise<{ found: string; output: string }> {
  let output = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      reject(new Error(`${child.spawnargs.join(' ')} ended with ${code} before it was ready:\n${output}`)),
    );
    if (child.stdout === null) return;
    createInterface(child.stdout).on('line', (line) => {
      output += `${line}\n`;
      const found = pattern.exec(line)?.[1];
      if (found !== undefined) resolve({ found, output });
    });
  });
}

export async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(timer);
}

/** Vitest puts names such as MODE and NODE_ENV into the environment, which the service would take for its own. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'USER', 'LANG', 'TMPDIR'];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

/**
 * A port that nobody listens at. It lies below those that systems choose by themselves, for outgoing connections too, and each worker of Vitest has
 * a hundred of its own, which it goes through before it takes one again: so nobody else is given it before it is used.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS; tries += 1) {
    portsTaken = (portsTaken + 1) % PORTS;
    const port = FIRST_PORT + portsTaken;
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error(`No port from ${FIRST_PORT} on is free.`);
}

const PORTS = 100;
const FIRST_PORT = 20_000 + PORTS * (Number(process.env['VITEST_POOL_ID'] ?? 0) % 100);
let portsTaken = randomInt(PORTS);
