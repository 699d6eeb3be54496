import type { Command } from 'commander';
import type { Run } from '../command.ts';
import type { Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';
import { runRegistryProgram } from './registry-program.ts';

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
      "bring the logs of a restored database forward to what others have seen; needs the registry's environment",
    )
    .option('--from <copy>', 'a mirror directory, or the address of a replica or a mirror')
    .option('--dry-run', 'say what is missing and change nothing')
    .option('--accept-loss', 'go on without it; refused when anybody has seen it')
    .action(run(recover));
}

async function recover(session: Session, { from, dryRun, acceptLoss }: RecoverOptions): Promise<Outcome> {
  session.refuseOf('All logs are brought forward, beginning with the first.');
  const { said, exitCode } = await runRegistryProgram('recover', [
    ...(from === undefined ? [] : ['--from', from]),
    ...(dryRun ? ['--dry-run'] : []),
    ...(acceptLoss ? ['--accept-loss'] : []),
  ]);
  return { data: { recover: { said, exitCode } }, lines: said, exitCode };
}
