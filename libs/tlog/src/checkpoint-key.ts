import { parseCheckpoint, type Checkpoint } from './checkpoint.ts';
import { TlogFault } from './fault.ts';
import type { Note } from './note.ts';
import type { VerifierKey } from './verifier-key.ts';
import { verifyNote, type VerifyMlDsa44 } from './verify-note.ts';

/** The tree sizes that a key of a log signs for: from `fromSize` on, and below `untilSize` if it has been replaced. */
export interface KeyWindow {
  readonly fromSize: bigint;
  readonly untilSize?: bigint;
}

/** A key that signs checkpoints of one log, which its name is the origin of. */
export interface CheckpointKey extends KeyWindow {
  readonly key: VerifierKey;
}

/** Whether a key with this window speaks for a tree of that size. */
export function isInWindow({ fromSize = 0n, untilSize }: Partial<KeyWindow>, size: bigint): boolean {
  return size >= fromSize && (untilSize === undefined || size < untilSize);
}

/**
 * The checkpoint of a note that its log signed with one of `keys`, by a key that speaks for its size.
 *
 * Other keys' signatures are ignored. A wrong signature of one of `keys` is `tlog/bad-signature`; none at all
 * `tlog/unknown-signer`; only of keys that do not speak for this size, `tlog/retired-key`; another origin than the
 * keys' name `tlog/origin-mismatch`.
 */
export function verifyLogNote(note: Note, keys: readonly CheckpointKey[], verifyMlDsa44?: VerifyMlDsa44): Checkpoint {
  const signers = verifyNote(
    note,
    keys.map(({ key }) => key),
    verifyMlDsa44,
  );
  const checkpoint = parseCheckpoint(note.text);
  const own = keys.filter(({ key }) => signers.includes(key) && key.name === checkpoint.origin);
  if (own.length === 0) {
    throw new TlogFault(
      'tlog/origin-mismatch',
      `The checkpoint is of ${checkpoint.origin}, and its key of another log.`,
    );
  }
  if (own.some((window) => isInWindow(window, checkpoint.size))) return checkpoint;
  throw new TlogFault(
    'tlog/retired-key',
    `The key that signed the checkpoint of ${checkpoint.size} entries does not speak for that size.`,
  );
}
