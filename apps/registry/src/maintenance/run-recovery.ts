import { parseArgs } from 'node:util';
import { Fault } from '@margo-trust/fault';
import type { INestApplicationContext } from '@nestjs/common';
import { ConfigError } from '../config.ts';
import { StartError } from '../start-error.ts';
import { openRegistry } from './open-registry.ts';
import { PublicLog } from './public-log.ts';
import { RecoverLogs } from './recover-logs.ts';

/**
 * `log recover`: says what the logs of this database lack, and with `--from` brings them forward. Returns the exit code: 0 when
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
  const logs = new RecoverLogs(app, say);
  const complaints = await logs.complaints();
  const isWell = complaints.length === 0;
  for (const sentence of isWell ? [NOTHING] : complaints) say(sentence);
  if (options['accept-loss']) return refuseLoss(isWell, say);
  if (from === undefined) {
    if (isWell) return 0;
    say(
      'Give a copy of the logs: --from with the directory of a mirror, or with the address of a replica or a mirror.',
    );
    return 1;
  }

  const copy = PublicLog.first(from);
  if (options['dry-run'] === true) return (await logs.look(copy)) ? 1 : 0;
  await logs.run(copy);
  await logs.checkLatches();
  const still = await logs.complaints();
  for (const complaint of still) say(complaint);
  if (still.length > 0) return 1;
  say('Writing is open again: a running registry notices within a minute.');
  return 0;
}

const NOTHING = 'Nobody who could be asked has seen more of the logs than the database holds.';

/** Whoever has seen the head holds receipts for what would be lost, and entries in its place would be a fork. */
function refuseLoss(isWell: boolean, say: (line: string) => void): number {
  if (isWell) {
    say('There is nothing to lose.');
    return 0;
  }
  say(
    'The loss cannot be accepted: somebody has seen those entries, and others in their place would be a second history.',
  );
  return 2;
}
