import type { GovernanceSeen, LogEvent } from '@margo-trust/auditor';
import { areEqualBytes } from '@margo-trust/bytes';
import type { Checkpoint } from '@margo-trust/tlog';
import type { Tx } from '../db/db.ts';
import type { ServedLog } from '../log/served-log.ts';
import { StartError } from '../start-error.ts';
import { LogRebuildStore } from './log-rebuild.store.ts';

/** Another log than the first, as far as it has come, and all that it says of the first one. */
export interface OtherLog extends Pick<Checkpoint, 'size' | 'root'> {
  readonly log: ServedLog;
  readonly seen: readonly GovernanceSeen[];
  /** Whether its last entry says so. */
  readonly isFrozen: boolean;
}

/**
 * Throws StartError unless another log and the first one, whose tables are there, are of one history: what the other says that its entries
 * rest on was a head of the first, and both say alike whether it is frozen, and where. Of two copies one may be older than the other; going on from
 * them would give a second history to whoever has seen the newer.
 */
export async function refuseApart(tx: Tx, firstEvents: readonly LogEvent[], other: OtherLog): Promise<void> {
  const { log, size, root, seen, isFrozen } = other;
  const store = new LogRebuildStore(log.id);
  const strange = await store.findNoHeadOfFirst(tx, seen);
  if (strange) {
    const ends = await store.sizeOfFirst(tx);
    const what = `Entry ${strange.index} of ${log.origin} rests on ${strange.size} entries of the first log`;
    throw new StartError(
      strange.size > ends
        ? `${what}, and that has ${ends} here: its copy is older. Bring a newer one.`
        : `${what}, and the first log that is here never had such a head. One of the two copies is of another history.`,
    );
  }
  const final = firstEvents.flatMap((event) =>
    event.what === 'frozen' && event.origin === log.origin && event.final ? [event.final] : [],
  )[0];
  if (isFrozen && !final) {
    throw new StartError(
      `${log.origin} is frozen, and the first log does not say so: its copy is older. Bring a newer one.`,
    );
  }
  if (!final || (final.size === size && areEqualBytes(final.root, root))) return;
  throw new StartError(
    `${log.origin} was frozen with ${final.size} entries, and its copy has ${size}, or others: bring its final one.`,
  );
}
