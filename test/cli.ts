import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Io } from '../apps/cli/src/io.ts';
import { expect } from 'vitest';
import { runCli } from '../apps/cli/src/run-cli.ts';

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON. */
  json<T = Record<string, unknown>>(): T;
}

export interface CliOptions {
  readonly env?: Record<string, string>;
  readonly now?: Date;
  readonly terminal?: boolean;
  /** Asks a command that waits to end. */
  readonly stopped?: Promise<void>;
}

/** The command line tool in this process, at home in a directory of its own. */
export class TestCli {
  readonly home = mkdtempSync(join(tmpdir(), 'margo-cli-'));

  async run(args: readonly string[], options: CliOptions = {}): Promise<Finished> {
    let [stdout, stderr] = ['', ''];
    const isTerminal = options.terminal ?? false;
    const io: Io = {
      env: { HOME: this.home, ...options.env },
      now: () => options.now ?? new Date(),
      stdout: (text) => void (stdout += text),
      stderr: (text) => void (stderr += text),
      isTerminal: { stdout: isTerminal, stderr: isTerminal },
      home: () => undefined,
      stopped: () => options.stopped ?? new Promise(() => undefined),
    };
    const code = await runCli(args, io);
    return { code, stdout, stderr, json: <T>() => JSON.parse(stdout) as T };
  }

  path(...names: string[]): string {
    return join(this.home, ...names);
  }
}

/** `margo-trust log …` on a registry, as one of its demonstration accounts or as nobody. */
export function logCommands(cli: TestCli, registryUrl: () => string) {
  const run = (args: readonly string[], account?: string): Promise<Finished> =>
    cli.run(['--registry', registryUrl(), '--json', ...(account ? ['--as', account] : []), 'log', ...args]);
  return {
    run,
    /** What it prints; it must succeed. */
    must: async <T>(args: readonly string[], account?: string): Promise<T> => {
      const finished = await run(args, account);
      expect(finished.code, finished.stderr + finished.stdout).toBe(0);
      return finished.json<T>();
    },
    /** The code that it is refused with. */
    refusal: async (args: readonly string[], account = 'alice'): Promise<string> =>
      (await run(args, account)).json<{ error: { code: string } }>().error.code,
  };
}
