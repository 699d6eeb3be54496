import { verifyCheckpoint } from '@margo-trust/auditor';
import { areEqualBytes } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import {
  verifierKeyFromSpki,
  verifierKeySpki,
  type Checkpoint,
  type CheckpointKey,
  type VerifierKey,
} from '@margo-trust/tlog';
import type { Tx } from '../db/db.ts';
import type { LogKeyStore } from '../log/keys/log-key.store.ts';
import type { ServedLog } from '../log/served-log.ts';
import type { LogRebuildStore } from './log-rebuild.store.ts';
import type { PublicLog } from './public-log.ts';

/** That a checkpoint key was replaced, with the checkpoint that the record of it ends: both keys have signed that. */
export interface Handover extends Checkpoint {
  /** Where the record is. */
  readonly event: bigint;
  readonly key: VerifierKey;
}

/**
 * The keys of checkpoints that were put in the place of known ones, as far as the copy proves it. That the records say the same is the
 * caller's to see.
 */
export async function followHandovers(
  copy: PublicLog,
  known: readonly CheckpointKey[],
): Promise<{ keys: readonly CheckpointKey[]; handovers: readonly Handover[] }> {
  const keys = [...known];
  const handovers: Handover[] = [];
  for (const { key, event, transition } of await copy.listHandovers('checkpointHistory')) {
    const last = keys.at(-1);
    if (!last || keys.some((one) => areEqualBytes(one.key.publicKey, key.publicKey))) continue;
    const checkpoint = findSignedByAll(transition, [last.key, key]);
    if (checkpoint?.size !== event + 1n) break;
    keys.splice(-1, 1, { ...last, untilSize: event + 2n }, { key, fromSize: event + 2n });
    handovers.push({ ...checkpoint, event, key });
  }
  return { keys, handovers };
}

/** Keeps again, of keys whose tables were made from a copy, what proves that one replaced the other: the key before may be gone by now. */
export async function keepTransitionsAgain(
  tx: Tx,
  stores: { readonly keys: LogKeyStore; readonly rebuild: LogRebuildStore },
  { id, origin }: ServedLog,
  copy: PublicLog,
): Promise<void> {
  const all = (await stores.keys.find(id, tx))?.keys ?? [];
  for (const [purpose, history] of HISTORIES) {
    const known = all.filter((key) => key.purpose === purpose);
    const shown = await copy.listHandovers(history);
    for (const [n, key] of known.entries()) {
      const found = shown.find(
        (one) => one.event === key.eventIndex && areEqualBytes(verifierKeySpki(one.key), key.spki),
      );
      if (!found || key.transition) continue;
      // The first ML-DSA-44 key of a log that began without one comes after none.
      const signers = known.slice(Math.max(0, n - 1), n + 1).map(({ spki }) => verifierKeyFromSpki(origin, spki));
      const checkpoint = findSignedByAll(found.transition, signers);
      if (checkpoint && checkpoint.size + 1n === key.fromSize && (await stores.rebuild.hasHead(tx, checkpoint))) {
        await stores.keys.keepTransition(tx, id, key, found.transition);
      }
    }
  }
}

const HISTORIES = [
  ['checkpoint', 'checkpointHistory'],
  ['checkpoint-ml-dsa-44', 'mlDsa44History'],
] as const;

function findSignedByAll(note: Uint8Array, keys: readonly VerifierKey[]): Checkpoint | undefined {
  try {
    return keys.map((key) => verifyCheckpoint(note, key, verifyMlDsa44)).at(-1);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
