import { ed25519Spki, verifyCheckpoint } from '@margo-trust/auditor';
import { areEqualBytes } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import {
  encodeVerifierKey,
  parseVerifierKey,
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
  for (const { key, event, transition } of await copy.listHandovers()) {
    const last = keys.at(-1);
    if (!last || keys.some((one) => areEqualBytes(one.key.publicKey, key.publicKey))) continue;
    const checkpoint = findSignedByBoth(transition, last.key, key);
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
  const known = (await stores.keys.find(id, tx))?.keys.filter(({ purpose }) => purpose === 'checkpoint') ?? [];
  const shown = await copy.listHandovers();
  for (const [n, key] of known.entries()) {
    const before = known[n - 1];
    const found = shown.find(({ event, key: { publicKey } }) => {
      return event === key.eventIndex && areEqualBytes(ed25519Spki(publicKey), key.spki);
    });
    if (!before || !found || key.transition) continue;
    const [old, next] = [before, key].map(({ spki }) => parseVerifierKey(encodeVerifierKey(origin, spki.slice(-32))));
    const checkpoint = old && next && findSignedByBoth(found.transition, old, next);
    if (checkpoint && checkpoint.size + 1n === key.fromSize && (await stores.rebuild.hasHead(tx, checkpoint))) {
      await stores.keys.keepTransition(tx, id, key, found.transition);
    }
  }
}

function findSignedByBoth(note: Uint8Array, old: VerifierKey, next: VerifierKey): Checkpoint | undefined {
  try {
    verifyCheckpoint(note, old);
    return verifyCheckpoint(note, next);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}
