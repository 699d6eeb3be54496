/** Witnesses and the command line tool as processes of their own, for tests of registries that have the former. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { encodeVerifierKey, type Policy } from '@margo-trust/tlog';
import { freePort, repository, startProgram } from '../service.ts';

const CLI = join(repository, 'apps/cli/bin/margo-trust.mjs');

/** A `margo-trust witness` of its own directory, as a process. */
export interface Witness {
  readonly vkeys: readonly string[];
  readonly url: string;
  readonly directory: string;
  start(): Promise<void>;
  kill(): Promise<void>;
}

export async function makeWitness(home: string, name: string): Promise<Witness> {
  const directory = join(home, name);
  const { vkeys } = JSON.parse(await cli('--json', 'witness', 'init', directory, '--name', name)) as {
    vkeys: string[];
  };
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  return {
    vkeys,
    url,
    directory,
    start: async () => {
      child = startProgram(process.execPath, [CLI, 'witness', 'serve', directory, '--listen', `127.0.0.1:${port}`], {});
      child.stdout?.resume();
      child.stderr?.resume();
      await until(async () => (await fetch(url).catch(() => undefined))?.ok || undefined);
    },
    kill: async () => {
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

export async function addLog({ directory }: Witness, { logs }: Policy): Promise<void> {
  const [log] = logs;
  const { name, publicKey } = log!.key;
  await cli('witness', 'add-log', directory, encodeVerifierKey(name, publicKey));
}

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  const child = startProgram(process.execPath, [CLI, ...args], env);
  let [stdout, stderr] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

/** Runs the command line tool to its good end and returns what it printed. */
export async function cli(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(args);
  if (code !== 0) throw new Error(`margo-trust ${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout;
}

export async function until<T>(find: () => Promise<T | undefined>, seconds = 30): Promise<T> {
  const deadline = performance.now() + seconds * 1_000;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(`Waited ${seconds} s in vain.`);
    await pause(0.1);
  }
}

export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
}
