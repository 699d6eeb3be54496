import type { LogEvent } from '@margo-trust/auditor';
import type { VerifierKey } from '@margo-trust/tlog';
import type { Db } from '../db/db.ts';
import { LogStore } from '../log/log.store.ts';
import { FIRST_LOG, ServedLog } from '../log/served-log.ts';
import { WithholdingStore } from '../log/withholding/withholding.store.ts';
import { SystemRandom } from '../random.ts';
import { StartError } from '../start-error.ts';
import { LogRebuildStore } from './log-rebuild.store.ts';
import { PublicLog } from './public-log.ts';
import { rebuildLog, type DatedDecision, type OnProgress, type RebuiltLog } from './rebuild-log.ts';
import { refuseApart } from './refuse-apart.ts';
import { retireAgain } from './retire-again.ts';

/**
 * Rebuilds the tables of all logs of a registry in an empty database, from mirrors of their public files, in one transaction: a crash or a
 * lie leaves the database empty. The first log says which others there are; they are looked for in `logs/<name>` below its mirror.
 *
 * It brings back the logs with their policies, and which statements are withheld and why; the worker makes search and index from them.
 * Nothing else: accounts, vendors, votes and keys are in backups. What is erased stays so, also where a mirror still has it.
 */
export async function rebuildLogs(
  db: Db,
  mirror: string,
  key: VerifierKey,
  onProgress: OnProgress = () => undefined,
): Promise<void> {
  const copy = PublicLog.first(mirror);
  await db.transaction(async (tx) => {
    if (!(await new LogRebuildStore(FIRST_LOG).isEmpty(tx))) {
      throw new StartError('This database holds a log already: name an empty one, or keep what is there.');
    }
    const log = new ServedLog(FIRST_LOG, undefined, key.name);
    const first = await rebuildLog(tx, db, { log, copy, key }, onProgress);
    refuseOtherThanFirst(first);
    const logs = [first];
    for (const opened of await findCopies(copy, first.events)) {
      const other = await rebuildLog(tx, db, opened, onProgress);
      const isFrozen = other.events.some(({ what, origin }) => what === 'frozen' && origin === other.log.origin);
      await refuseApart(tx, first.events, { ...other, isFrozen });
      const store = new LogStore(new SystemRandom(), db);
      await retireAgain(tx, store, first.events, other);
      logs.push(other);
    }
    for (const decision of lastDecisions(logs)) await new WithholdingStore().carryOut(tx, decision);
  });
}

/** The others in the order in which they were opened, which is that of their rows. Throws StartError where one has no copy. */
async function findCopies(first: PublicLog, events: readonly LogEvent[]) {
  const opened = events.flatMap((event) => (event.what === 'opened' ? [event] : []));
  const logs = opened.map(({ origin, name, key }, n) => ({
    log: new ServedLog(FIRST_LOG + 1 + n, name, origin),
    copy: first.of(name),
    key,
  }));
  const missing: string[] = [];
  for (const { log, copy } of logs) {
    if (!(await copy.findNote())) missing.push(`of ${log.origin} at ${copy.name}`);
  }
  if (missing.length > 0) {
    throw new StartError(
      `The first log opened others, and there is no mirror ${missing.join(', nor ')}: all logs are brought back together.`,
    );
  }
  return logs;
}

/** Another log names the same registry, and its own origin is longer. */
function refuseOtherThanFirst({ log, registry }: RebuiltLog): void {
  const { origin } = ServedLog.first(new URL(registry).hostname);
  if (log.origin === origin) return;
  throw new StartError(
    `${log.origin} is not the first log of its registry: name the mirror of ${origin}. Others are looked for in logs/<name> below it.`,
  );
}

/** Of all logs, one for each statement: the newest, and an erasure is the last. Of what two have on record, its own log's. */
function lastDecisions(logs: readonly RebuiltLog[]): DatedDecision[] {
  const last = new Map<string, DatedDecision>();
  for (const [entryId, decision] of logs.flatMap(({ decisions }) => [...decisions])) {
    const known = last.get(entryId);
    const isSame = known?.kind === decision.kind && known.at.getTime() === decision.at.getTime();
    if (isSame && known.log === undefined) continue;
    const isOlder = known && !isSame && (known.kind === 'erased' || known.registeredAt > decision.registeredAt);
    if (!isOlder || decision.kind === 'erased') last.set(entryId, decision);
  }
  return [...last.values()];
}
