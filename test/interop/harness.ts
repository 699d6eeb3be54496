/**
 * What the suites stand on: the service from this checkout with its story played, two OCI registries, and `run`, which starts an
 * unmodified client and gives back its exit code and words.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const repository = join(import.meta.dirname, '../..');

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  /** Both streams as they came, for messages and for what clients say where they like. */
  readonly output: string;
}

export interface Running {
  /** The service's URL without trailing slash; a registry's `host:port`. */
  readonly address: string;
  stop(): Promise<void>;
}

export interface Service extends Running {
  /** `DATA_DIR`; the story's results are in its `demo` folder. */
  readonly dataDir: string;
}

/** The program of a client that `scripts/interop.mjs` has installed. */
export function client(name: string): string {
  if (process.env.MARGO_CLIENTS === undefined)
    throw new Error('No clients are installed: start this suite by `npm run interop`.');
  const program = (JSON.parse(process.env.MARGO_CLIENTS) as Record<string, string>)[name];
  if (program === undefined) throw new Error(`No client is called ${name}.`);
  return program;
}

/** Runs a program to its end; a refusal is a result, not an exception. */
export async function run(
  program: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Finished> {
  const child = spawn(program, args, {
    cwd: options.cwd ?? repository,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? -1, stdout, output };
}

/** `run` for steps that only prepare a test: a failure throws with everything the program said. */
export async function must(
  program: string,
  args: readonly string[],
  options: Parameters<typeof run>[2] = {},
): Promise<Finished> {
  const finished = await run(program, args, options);
  if (finished.code !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with ${finished.code}:\n${finished.output}`);
  return finished;
}

/** Starts the service on a free port with an empty data directory and waits until it has played the story. */
export async function startService(): Promise<Service> {
  const dataDir = await temporaryDirectory();
  const port = await freePort();
  const child = start(process.execPath, ['scripts/start.mjs'], { PORT: String(port), DATA_DIR: dataDir });
  const { found, output } = await readyLine(child, /^ready (http\S+)/);
  // The service runs on without its story, but there is nothing to judge then.
  if (!existsSync(join(dataDir, 'demo/done'))) {
    await stop(child, dataDir);
    throw new Error(`The story did not come to its end:\n${output}`);
  }
  return { address: found, dataDir, stop: () => stop(child, dataDir) };
}

/** go-containerregistry's registry: has the referrers API, keeps everything in memory. */
export async function startGoRegistry(): Promise<Running> {
  const child = start(client('registry'), [], {});
  const { found } = await readyLine(child, /^ready (\S+)/);
  return { address: found, stop: () => stop(child) };
}

/** Debian's docker-registry: has no referrers API, so referrers live under the fallback tag. */
export async function startDockerRegistry(): Promise<Running> {
  const directory = await temporaryDirectory();
  const address = `127.0.0.1:${await freePort()}`;
  const config = join(directory, 'config.yml');
  await writeFile(
    config,
    `version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: ${JSON.stringify(join(directory, 'data'))} } }\nhttp: { addr: "${address}" }\n`,
  );
  const child = start(client('docker-registry'), ['serve', config], {});
  await waitUntil(`docker-registry answers on ${address}`, async () => {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    return (await fetch(`http://${address}/v2/`).catch(() => undefined))?.ok === true;
  });
  return { address, stop: () => stop(child, directory) };
}

export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'margo-interop-'));
}

/** Asks every 100 ms until `condition` holds; says what it waited for when `seconds` have passed. */
export async function waitUntil(what: string, condition: () => Promise<boolean>, seconds = 30): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited ${seconds} s in vain until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The kernel ends the child with this process, however this process ends. */
function start(program: string, args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'TERM', program, ...args], {
    cwd: repository,
    env: { ...cleanEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Waits for a line of standard output that matches: its capture, and all output so far. Fails when the process ends before. */
async function readyLine(child: ChildProcess, pattern: RegExp): Promise<{ found: string; output: string }> {
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

async function stop(child: ChildProcess, directory?: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(timer);
  }
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
}

/** Vitest puts names such as MODE and NODE_ENV into the environment, which the service would take for its own. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'USER', 'LANG', 'TMPDIR'];
  return Object.fromEntries(
    kept.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
