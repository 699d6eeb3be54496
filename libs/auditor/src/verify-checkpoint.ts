import { encodeBase64 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import {
  parseNote,
  verifyLogNote,
  type Checkpoint,
  type CheckpointKey,
  type VerifierKey,
  type VerifyMlDsa44,
} from '@margo-trust/tlog';
import { AuditorFault } from './fault.ts';

/**
 * The checkpoint in a note that the log signed with the key given, or with that of several which speaks for its size.
 * `audit/other-log`, `audit/retired-key` or `audit/bad-checkpoint` otherwise. With ML-DSA-44 keys among them, who asks lends `verifyMlDsa44`.
 */
export function verifyCheckpoint(
  note: Uint8Array,
  keys: VerifierKey | readonly CheckpointKey[],
  verifyMlDsa44?: VerifyMlDsa44,
): Checkpoint {
  const known = isSeveral(keys) ? keys : [{ key: keys, fromSize: 0n }];
  const name = known[0]?.key.name ?? 'no log';
  try {
    return verifyLogNote(parseNote(note), known, verifyMlDsa44);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    if (cause.code === 'tlog/unknown-signer') {
      throw new AuditorFault('audit/other-log', `The checkpoint is not signed with the key of ${name}.`, { cause });
    }
    if (cause.code === 'tlog/origin-mismatch') throw new AuditorFault('audit/other-log', cause.message, { cause });
    if (cause.code === 'tlog/retired-key') throw new AuditorFault('audit/retired-key', cause.message, { cause });
    throw new AuditorFault('audit/bad-checkpoint', `The checkpoint does not hold: ${cause.message}`, { cause });
  }
}

function isSeveral(keys: VerifierKey | readonly CheckpointKey[]): keys is readonly CheckpointKey[] {
  return Array.isArray(keys);
}

/** Refuses two signed checkpoints of one log and size that do not say the same tree root. */
export function refuseOtherRoot(ours: Checkpoint, theirs: Checkpoint): void {
  const [a, b] = [encodeBase64(ours.root), encodeBase64(theirs.root)];
  if (ours.size === theirs.size && a !== b) {
    throw new AuditorFault('audit/fork', `The log signed two tree roots for ${ours.size} entries: ${a} and ${b}.`);
  }
}
