import { areEqualBytes, encodeBase64 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { parseReceipt, verifyReceipt, type ReceiptKey } from '@margo-trust/receipt';
import type { EvidenceRow, Seal } from './evidence.ts';
import { AuditorFault } from './fault.ts';

/** An entry and the first head that covers it. */
export interface SealedEntry {
  readonly index: bigint;
  readonly row: Pick<EvidenceRow, 'entry' | 'kind' | 'body'>;
  readonly seal: Seal;
}

/**
 * Holds a receipt against the log: signed with one of its keys, for this entry, its index and the head that it is dated
 * by. A receipt of another log is `audit/other-log`, one by a key outside its window `audit/retired-key`, any other
 * difference `audit/wrong-receipt`.
 */
export function checkReceipt(
  bytes: Uint8Array,
  { index, row, seal }: SealedEntry,
  origin: string,
  keys: readonly ReceiptKey[],
): void {
  const wrong = (what: string, cause?: unknown) =>
    new AuditorFault('audit/wrong-receipt', `The receipt of entry ${index} ${what}.`, { index, cause });
  let receipt: ReturnType<typeof verifyReceipt>;
  try {
    const claimed = parseReceipt(bytes).origin;
    if (claimed !== undefined && claimed !== origin) throw otherLog(index, `names the log ${claimed}, not ${origin}`);
    // Raw leaves are hashed as they are, statements by their digest: the key's leaf format says which.
    const statement = {
      entry: row.kind === 'raw' ? (row.body ?? row.entry) : row.entry,
      stripped: row.body ?? row.entry,
    };
    receipt = verifyReceipt(bytes, statement, keys);
  } catch (cause) {
    if (cause instanceof AuditorFault || !(cause instanceof Fault)) throw cause;
    if (OTHER_LOG.includes(cause.code)) throw otherLog(index, `is of another log: ${cause.message}`, cause);
    if (cause.code === 'receipt/retired-key') {
      const message = `The receipt of entry ${index} is signed by a key that does not speak for a tree of its size.`;
      throw new AuditorFault('audit/retired-key', message, { index, cause });
    }
    throw wrong(`does not hold: ${cause.message}`, cause);
  }
  if (receipt.index !== index) throw wrong(`is for entry ${receipt.index}`);
  if (receipt.size !== seal.size)
    throw wrong(`covers ${receipt.size} entries, and the first head over it ${seal.size}`);
  if (!areEqualBytes(receipt.root, seal.root)) {
    throw wrong(`signs the tree root ${encodeBase64(receipt.root)}, and the head is ${encodeBase64(seal.root)}`);
  }
  const [issued, committed] = [receipt.issuedAt, seal.committedAt].map((time) =>
    Math.floor((time?.getTime() ?? 0) / 1000),
  );
  if (issued !== committed) throw wrong('is dated otherwise than the head that it is over');
}

function otherLog(index: bigint, what: string, cause?: unknown): AuditorFault {
  return new AuditorFault('audit/other-log', `The receipt of entry ${index} ${what}.`, { index, cause });
}

const OTHER_LOG = ['receipt/unknown-key', 'receipt/issuer-mismatch'];
