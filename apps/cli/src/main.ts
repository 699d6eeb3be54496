import { homedir } from 'node:os';
import type { Io } from './io.ts';
import { runCli } from './run-cli.ts';

const io: Io = {
  env: process.env,
  now: () => new Date(),
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  isTerminal: { stdout: process.stdout.isTTY, stderr: process.stderr.isTTY },
  home: findHome,
  stopped: () =>
    new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    }),
};

// `margo-trust log search | head` is no accident.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
process.exitCode = await runCli(process.argv.slice(2), io);

/** A user without an entry in the system's list has none. */
function findHome(): string | undefined {
  try {
    return homedir();
  } catch {
    return undefined;
  }
}
