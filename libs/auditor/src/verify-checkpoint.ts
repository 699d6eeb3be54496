import { encodeBase64 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { parseCheckpoint, parseNote, verifyNote, type Checkpoint, type VerifierKey } from '@margo-trust/tlog';
import { AuditorFault } from './fault.ts';

/** The checkpoint in a note that the log of `key` signed; `audit/other-log` or `audit/bad-checkpoint` otherwise. */
export function verifyCheckpoint(note: Uint8Array, key: VerifierKey): Checkpoint {
  try {
    const parsed = parseNote(note);
    verifyNote(parsed, [key]);
    const checkpoint = parseCheckpoint(parsed.text);
    if (checkpoint.origin === key.name) return checkpoint;
    throw new AuditorFault(
      'audit/other-log',
      `The checkpoint is of the log ${checkpoint.origin}, and the key of ${key.name}.`,
    );
  } catch (cause) {
    if (cause instanceof AuditorFault || !(cause instanceof Fault)) throw cause;
    if (cause.code === 'tlog/unknown-signer') {
      throw new AuditorFault('audit/other-log', `The checkpoint is not signed with the key of ${key.name}.`, { cause });
    }
    throw new AuditorFault('audit/bad-checkpoint', `The checkpoint does not hold: ${cause.message}`, { cause });
  }
}

/** Refuses two signed checkpoints of one log and size that do not say the same tree root. */
export function refuseOtherRoot(ours: Checkpoint, theirs: Checkpoint): void {
  const [a, b] = [encodeBase64(ours.root), encodeBase64(theirs.root)];
  if (ours.size === theirs.size && a !== b) {
    throw new AuditorFault('audit/fork', `The log signed two tree roots for ${ours.size} entries: ${a} and ${b}.`);
  }
}
