import type { RevocationReason } from '@margo-trust/wire';
import { RevocationFault } from './revocation.fault.ts';

/** What a revocation says. Without a date, every signature is refused, or, for some reasons, those made from then on. */
export interface Verdict {
  readonly reason: RevocationReason;
  readonly invalidityDate?: Date;
}

/** The same, and when it was first decided. */
export interface HeldVerdict extends Verdict {
  readonly revokedAt: Date;
}

/** What becomes of a verdict that is asked for, given the one that holds. */
export type Change = 'new' | 'same' | 'wider' | 'narrower';

/** Reasons that say nothing against what was signed before: the key was in good hands until then. */
const KEEPS_OLDER: readonly RevocationReason[] = ['superseded', 'affiliationChanged', 'cessationOfOperation'];

/**
 * How `asked` compares with what was decided `before`. Trust may always shrink, by one person. What would let signatures through
 * again that are refused, or say that a certificate need not be on the CRL, is narrower: that takes a quorum.
 */
export function compareVerdicts(asked: Verdict, before: HeldVerdict | undefined): Change {
  if (before === undefined) return 'new';
  const hasSameDate = asked.invalidityDate?.getTime() === before.invalidityDate?.getTime();
  if (asked.reason === before.reason && hasSameDate) return 'same';
  const isTakenOff = isOnCrl(before) && !isOnCrl(asked);
  const [from, fromBefore] = [beginOf(asked, Infinity), beginOf(before, before.revokedAt.getTime())];
  return isTakenOff || from > fromBefore ? 'narrower' : 'wider';
}

export function narrower(): RevocationFault {
  return new RevocationFault(
    'revocation/narrower',
    'This would trust signatures again that are refused now. The date may move earlier; later only by two members of governance.',
  );
}

/**
 * Stock Notation refuses every signature of a listed certificate, whatever the reason and date. So one that was merely
 * replaced is on our own list only, which our verifier reads.
 */
export function isOnCrl({ reason }: { readonly reason: RevocationReason }): boolean {
  return reason !== 'superseded';
}

/** From when on signatures are refused, if it were decided at `now`; undefined: all are. */
export function refusedFrom({ reason, invalidityDate }: Verdict, now: Date): Date | undefined {
  return invalidityDate ?? (KEEPS_OLDER.includes(reason) ? now : undefined);
}

/** `revokedAt` is the time of the decision. */
function beginOf({ reason, invalidityDate }: Verdict, revokedAt: number): number {
  if (invalidityDate) return invalidityDate.getTime();
  return KEEPS_OLDER.includes(reason) ? revokedAt : -Infinity;
}

/**
 * Refuses dates that cannot be meant: to come, or before the certificate was valid.
 * An absent date is the way to say that no signature is to be trusted.
 */
export function checkInvalidityDate(date: Date, now: Date, notBefore?: Date): void {
  if (date > now) throw new RevocationFault('revocation/invalid-date', 'The invalidity date is still to come.');
  if (notBefore && date < notBefore) {
    throw new RevocationFault(
      'revocation/invalid-date',
      'The invalidity date lies before the certificate: leave it out to refuse every signature.',
    );
  }
}
