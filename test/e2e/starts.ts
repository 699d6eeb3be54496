/** Starts of the registry as a newcomer makes them, watched from outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../service.ts';

export interface Start {
  readonly child: ChildProcess;
  /** The address in `ready <url>`; fails with all output when the process ends before. */
  readonly ready: Promise<string>;
  /** The exit code, when everybody who could write to its output has ended. */
  readonly exit: Promise<number | null>;
  /** Standard output and error so far. */
  output(): string;
  stdout(): string;
}

const START = [process.execPath, 'scripts/start.mjs', '--empty'];

/** Whatever is begun here is ended and removed by {@link Starts.cleanUp}. */
export class Starts {
  private readonly running: Start[] = [];
  private readonly directories: string[] = [];

  /** Nothing of this process's environment but PATH goes along: above all no HOME. */
  start(env: NodeJS.ProcessEnv, command: readonly string[] = START): Start {
    const [program = '', ...options] = command;
    const child = spawn(program, options, {
      cwd: repository,
      env: { PATH: process.env['PATH'], PORT: '0', ...env },
      detached: true, // in a process group of its own, as a shell does it
    });
    let [stdout, stderr] = ['', ''];
    const exit = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
    const ready = new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (data: Buffer) => {
        stdout += data.toString();
        const url = /^ready (http\S+)$/m.exec(stdout)?.[1];
        if (url !== undefined) resolve(url);
      });
      void exit.then(() => reject(new Error(`ended before it was ready: ${stdout}${stderr}`)));
    });
    ready.catch(() => undefined);
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const started = { child, output: () => stdout + stderr, stdout: () => stdout, exit, ready };
    this.running.push(started);
    return started;
  }

  /** A directory that does not exist yet, in a path with a space and a quote. */
  newDirectory(name = `it's data`): string {
    const parent = mkdtempSync(join(tmpdir(), 'margo-start-'));
    this.directories.push(parent);
    mkdirSync(join(parent, name, '..'), { recursive: true });
    return join(parent, name);
  }

  async cleanUp(): Promise<void> {
    for (const { child, exit } of this.running.splice(0)) {
      child.kill('SIGKILL');
      await exit;
    }
    for (const directory of this.directories.splice(0)) {
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

/** What comes before it may be a build. */
export function lastLine(start: Start): string | undefined {
  return start.output().trim().split('\n').at(-1);
}

/** Every process whose command line names the database of this data directory. */
export function postgresOf(dataDirectory: string): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(join(dataDirectory, 'pg'));
      } catch {
        return false;
      }
    });
}
