import { AuditorFault, refuseOtherRoot } from '@margo-trust/auditor';
import type { SignedCheckpoint } from './audited-log.ts';

/** What was signed before must not be larger than what is signed now, nor another tree of the same size. */
export function refuseEarlier(before: SignedCheckpoint, now: SignedCheckpoint): void {
  refuseOtherRoot(before, now);
  if (now.size >= before.size) return;
  throw new AuditorFault(
    'audit/rollback',
    `The log shows a checkpoint of ${now.size} entries, and has signed one of ${before.size} before.`,
  );
}

/** Grown from a tree that the log has signed, another root than the one it signs now is a second history. */
export async function refuseFork(before: SignedCheckpoint | undefined, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const isOther = cause instanceof AuditorFault && ['audit/wrong-root', 'audit/wrong-seal'].includes(cause.code);
    if (!before || !isOther) throw cause;
    const message = `What the log shows does not continue the ${before.size} entries that it has signed before: ${cause.message}`;
    throw new AuditorFault('audit/fork', message, { cause });
  }
}
