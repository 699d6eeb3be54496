import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { CliFault } from '../fault.ts';
import type { Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';

interface RecoverOptions {
  readonly from?: string;
  readonly dryRun?: boolean;
  readonly acceptLoss?: boolean;
}

/** For the operator, beside the registry's database: the work is a program of the registry, installed with it. */
export function addLogRecover(log: Command, run: Run): void {
  log
    .command('recover')
    .description(
      "bring the log of a restored database forward to what others have seen; needs the registry's environment",
    )
    .option('--from <copy>', 'a mirror directory, or the address of a replica or a mirror')
    .option('--dry-run', 'say what is missing and change nothing')
    .option('--accept-loss', 'go on without it; refused when anybody has seen it')
    .action(run(recover));
}

async function recover(_session: Session, { from, dryRun, acceptLoss }: RecoverOptions): Promise<Outcome> {
  const options = [
    ...(from === undefined ? [] : ['--from', from]),
    ...(dryRun ? ['--dry-run'] : []),
    ...(acceptLoss ? ['--accept-loss'] : []),
  ];
  const child = spawn(process.execPath, [findProgram(), ...options], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface(child.stdout).on('line', (line) => lines.push(line));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { data: { recover: { said: lines, exitCode } }, lines, exitCode: exitCode ?? 1 };
}

function findProgram(): string {
  try {
    return fileURLToPath(import.meta.resolve('@margo-trust/registry/recover'));
  } catch (cause) {
    throw new CliFault(
      'cli/not-found',
      'The registry is not installed beside this program.',
      "Run it where the registry runs, with the registry's environment.",
      { cause },
    );
  }
}
