import { registerStatement } from '@margo-trust/client';
import { attachToStatement } from '@margo-trust/statement';
import type { Command } from 'commander';
import type { Run } from '../command.ts';
import { readInput, writeOutput } from '../files.ts';
import { factLines, type Outcome } from '../outcome.ts';
import type { Session } from '../session.ts';

export function addRegister(program: Command, run: Run): void {
  program
    .command('register')
    .description('register a signed statement (COSE_Sign1) in the log')
    .argument('<file>', 'the statement, with its certificates')
    .option('--output <file>', 'where the statement goes, together with its receipt')
    .action(run(register));
}

async function register(session: Session, file: string, { output }: { output?: string }): Promise<Outcome> {
  const statement = await readInput(file, 'statement', 1 << 20);
  const { receipt, entryId } = await registerStatement(await session.registryUrl(), statement);
  if (output !== undefined) await writeOutput(output, attachToStatement(statement, { receipts: [receipt] }));
  return {
    data: { entryId, ...(output !== undefined && { output }) },
    lines: factLines({ entry: entryId, written: output }),
  };
}
