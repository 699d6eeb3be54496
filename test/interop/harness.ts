/**
 * What the suites stand on: the service from this checkout with its story played, two OCI registries, and `run`, which starts an
 * unmodified client and gives back its exit code and words.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  cleanEnvironment,
  freePort,
  readyLine,
  repository,
  startProgram,
  type ServiceOptions,
  startService as startRegistry,
  stopProgram,
} from '../service.ts';
import { findClient, noteSeen } from './seen.ts';

export { freePort, repository } from '../service.ts';

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  /** Both streams as they came, for messages and for what clients say where they like. */
  readonly output: string;
  /** The client of the matrix that ran, if it was one. */
  readonly client: string | undefined;
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
  const name = findClient([program, ...args]);
  if (name !== undefined) noteSeen(name);
  return { code: code ?? -1, stdout, output, client: name };
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

/** The service from this checkout, with its story played. */
export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const { url, dataDir, stop } = await startRegistry(options);
  return { address: url, dataDir, stop };
}

/** go-containerregistry's registry: has the referrers API, keeps everything in memory. */
export async function startGoRegistry(): Promise<Running> {
  const child = startProgram(client('registry'), [], {});
  const { found } = await readyLine(child, /^ready (\S+)/);
  return { address: found, stop: () => stopProgram(child) };
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
  const child = startProgram(client('docker-registry'), ['serve', config], {});
  // It logs every request, and would stop for good when the pipe is full.
  child.stdout?.resume();
  child.stderr?.resume();
  await waitUntil(`docker-registry answers on ${address}`, async () => {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    return (await fetch(`http://${address}/v2/`).catch(() => undefined))?.ok === true;
  });
  const stop = async () => {
    await stopProgram(child);
    await rm(directory, { recursive: true, force: true });
  };
  return { address, stop };
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
