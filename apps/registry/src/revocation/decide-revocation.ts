import type { RevocationReason } from '@margo-trust/wire';
import { RevocationFault } from './revocation.fault.ts';

/** What a revocation says. Without a date, every signature is refused, or, for some reasons, those made from then on. */
export interface Verdict {
  readonly reason: RevocationReason;
  readonly invalidityDate?: Date;
}

/** Reasons that say nothing against what was signed before: the key was in good hands until then. */
const KEEPS_OLDER: readonly RevocationReason[] = ['superseded', 'affiliationChanged', 'cessationOfOperation'];

/**
 * Whether `asked` is to be decided (true) or holds already (false), given what was decided `before`.
 *
 * Trust may always shrink. It never grows back: a verdict that would let signatures through again, or take a certificate off
 * the CRL, is `revocation/narrower`; for that the design asks for a quorum.
 */
export function isNewDecision(asked: Verdict, before: (Verdict & { readonly revokedAt: Date }) | undefined): boolean {
  if (before === undefined) return true;
  const hasSameDate = asked.invalidityDate?.getTime() === before.invalidityDate?.getTime();
  if (asked.reason === before.reason && hasSameDate) return false;

  const isTakenOff = isOnCrl(before) && !isOnCrl(asked);
  const [from, fromBefore] = [beginOf(asked, Infinity), beginOf(before, before.revokedAt.getTime())];
  if (isTakenOff || from > fromBefore) {
    throw new RevocationFault(
      'revocation/narrower',
      'This would trust signatures again that are refused now. The date may move earlier, not later.',
    );
  }
  return true;
}

/**
 * Stock Notation refuses every signature of a listed certificate, whatever the reason and date. So one that was merely
 * replaced is on our own list only, which our verifier reads.
 */
export function isOnCrl({ reason }: { readonly reason: RevocationReason }): boolean {
  return reason !== 'superseded';
}

/** From when on signatures are refused; `revokedAt` is the time of the decision. */
function beginOf({ reason, invalidityDate }: Verdict, revokedAt: number): number {
  if (invalidityDate) return invalidityDate.getTime();
  return KEEPS_OLDER.includes(reason) ? revokedAt : -Infinity;
}

/**
 * Refuses dates that cannot be meant: to come, or before the certificate was valid.
 * An absent date is the way to say that no signature is to be trusted.
 */
export function checkInvalidityDate(date: Date, now: Date, notBefore: Date): void {
  if (date > now) throw new RevocationFault('revocation/invalid-date', 'The invalidity date is still to come.');
  if (date < notBefore) {
    throw new RevocationFault(
      'revocation/invalid-date',
      'The invalidity date lies before the certificate: leave it out to refuse every signature.',
    );
  }
}
