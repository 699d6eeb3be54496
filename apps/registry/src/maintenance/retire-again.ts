import type { LogEvent } from '@margo-trust/auditor';
import { areEqualBytes } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { verifySignedRoot, type ReceiptKey } from '@margo-trust/receipt';
import type { Checkpoint } from '@margo-trust/tlog';
import type { Tx } from '../db/db.ts';
import type { LogStore } from '../log/log.store.ts';
import type { ServedLog } from '../log/served-log.ts';
import { StartError } from '../start-error.ts';
import type { PublicLog } from './public-log.ts';

/** A frozen log whose tables are there. */
export interface FrozenLog extends Pick<Checkpoint, 'size' | 'root'> {
  readonly log: ServedLog;
  readonly copy: PublicLog;
  readonly receiptKeys: readonly ReceiptKey[];
}

/**
 * Retires a log that the first one says is retired: its final checkpoint and its final signed root are what the copy has, since
 * its keys may be gone. Nothing for a log that is not. Throws StartError when the copy has no signed root of the final tree.
 */
export async function retireAgain(
  tx: Tx,
  store: LogStore,
  firstEvents: readonly LogEvent[],
  { log, copy, receiptKeys, size, root }: FrozenLog,
): Promise<void> {
  const retired = firstEvents.find(({ what, origin }) => what === 'retired' && origin === log.origin);
  if (!retired) return;
  const signedRoot = await copy.findSignedRoot();
  if (!signedRoot || !isOf(signedRoot, receiptKeys, { size, root })) {
    throw new StartError(
      `${log.origin} is retired, and its copy has no signed root (checkpoint.cose) of its final tree, which nobody can sign again.`,
    );
  }
  await store.retire(tx, log.id, { checkpoint: await copy.loadNote(), signedRoot }, retired.at);
}

function isOf(bytes: Uint8Array, keys: readonly ReceiptKey[], tree: Pick<Checkpoint, 'size' | 'root'>): boolean {
  try {
    const signed = verifySignedRoot(bytes, keys);
    return signed.size === tree.size && areEqualBytes(signed.root, tree.root);
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}
