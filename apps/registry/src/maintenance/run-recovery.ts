import { parseArgs } from 'node:util';
import { Fault } from '@margo-trust/fault';
import type { INestApplicationContext } from '@nestjs/common';
import { ConfigError } from '../config.ts';
import { Db } from '../db/db.ts';
import { LogIdentity } from '../log/log-identity.ts';
import { LogReader } from '../log/log.reader.ts';
import { LogStore } from '../log/log.store.ts';
import { PolicyStore } from '../log/admission/policy.store.ts';
import { RollbackLatch } from '../log/rollback/rollback-latch.ts';
import { StartError } from '../start-error.ts';
import { openRegistry } from './open-registry.ts';
import { PublicLog } from './public-log.ts';
import { type Missing, RecoverLog } from './recover-log.ts';

/**
 * `log recover`: says what the log of this database lacks, and with `--from` brings it forward. Returns the exit code: 0 when
 * nothing is missing any more, 1 when something still is, 2 when it cannot be done as asked.
 */
export async function runRecovery(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<number> {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { from: { type: 'string' }, 'dry-run': { type: 'boolean' }, 'accept-loss': { type: 'boolean' } },
    });
    const registry = await openRegistry(env);
    try {
      return await recover(registry.app, values, say);
    } finally {
      await registry.close();
    }
  } catch (error) {
    const isExpected = error instanceof StartError || error instanceof ConfigError || error instanceof Fault;
    const isUsage = error instanceof TypeError && 'code' in error;
    if (!isExpected && !isUsage) throw error;
    say(error.message);
    return 2;
  }
}

async function recover(
  app: INestApplicationContext,
  { from, ...options }: { from?: string; 'dry-run'?: boolean; 'accept-loss'?: boolean },
  say: (line: string) => void,
): Promise<number> {
  const [latch, identity] = [app.get(RollbackLatch), app.get(LogIdentity)];
  const complaint = latch.complaint();
  say(complaint ?? 'Nobody who could be asked has seen more of this log than the database holds.');
  if (options['accept-loss']) return refuseLoss(complaint, say);
  if (from === undefined) {
    if (complaint === undefined) return 0;
    say('Give a copy of the log: --from with the directory of a mirror, or with the address of a replica or a mirror.');
    return 1;
  }

  const copy = new PublicLog(from, identity.checkpointWindows);
  const work = new RecoverLog(app.get(Db), app.get(LogStore), app.get(LogReader), app.get(PolicyStore), identity);
  const missing = await work.look(copy);
  describe(missing, say);
  if (options['dry-run'] === true) return missing.checkpoint.size > missing.head.size ? 1 : 0;
  if (missing.checkpoint.size > missing.head.size) {
    const { size } = await work.run(copy, missing, () => undefined);
    say(`The log has ${size} entries again. Every head and every entry is the one that was published.`);
  }
  await latch.check();
  const still = latch.complaint();
  say(still ?? 'Writing is open again: a running registry notices within a minute.');
  return still === undefined ? 0 : 1;
}

/** Whoever has seen the head holds receipts for what would be lost, and entries in its place would be a fork. */
function refuseLoss(complaint: string | undefined, say: (line: string) => void): number {
  if (complaint === undefined) {
    say('There is nothing to lose.');
    return 0;
  }
  say(
    'The loss cannot be accepted: somebody has seen those entries, and others in their place would be a second history.',
  );
  return 2;
}

function describe({ head, checkpoint, records }: Missing, say: (line: string) => void): void {
  if (checkpoint.size <= head.size) {
    say(`The copy has ${checkpoint.size} entries, the database ${head.size}: it holds nothing that is missing here.`);
    return;
  }
  say(`The copy has ${checkpoint.size} entries, the database ${head.size}. The copy leads on from it.`);
  if (records.length === 0) return;
  say(
    `${records.length} of the missing entries are decisions of this registry. The log gets them back; the tables of vendors, ` +
      'certificates, revocations and the trust root do not. Make these decisions again, revocations first:',
  );
  for (const { index, subject, record } of records) say(`  ${index}  ${record}  ${subject}`);
}
