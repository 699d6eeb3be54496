import { QUORUM } from './approvals.ts';
import { wrongEntry } from './fault.ts';
import type { RecordPayload } from './record.ts';

/** From when on signatures do not count, and whether it is on the CRL. */
interface Revocation {
  readonly begin: number;
  readonly isOnCrl: boolean;
}

const KEEPS_OLDER = ['superseded', 'affiliationChanged', 'cessationOfOperation'];

/**
 * What is revoked, as the log says so far: by `certificate:<fingerprint>`, `key:…`, `issuer:…`, `vendor:…`, `digest:…`, the last with
 * ` of <vendor>` where only its signatures are meant.
 */
export class RevocationRegister {
  private readonly revocations = new Map<string, Revocation>();

  has(subject: string): boolean {
    return this.revocations.has(subject);
  }

  /** Throws `audit/wrong-admission` when it would undo some of an earlier one, and one member alone decided that. */
  add(record: RecordPayload, subject: string, index: bigint): void {
    const revocation = readRevocation(record);
    const before = this.revocations.get(subject);
    const isNarrower = before && (revocation.begin > before.begin || (before.isOnCrl && !revocation.isOnCrl));
    if (isNarrower && record.optionalCount('approvals', 1) < QUORUM) {
      throw wrongEntry(index, 'would trust signatures again that an earlier revocation refuses');
    }
    this.revocations.set(subject, revocation);
  }
}

function readRevocation(record: RecordPayload): Revocation {
  const reason = record.text('reason');
  const decided = KEEPS_OLDER.includes(reason) ? record.time('at').getTime() : -Infinity;
  const begin = record.optionalText('invalidityDate') === undefined ? decided : record.time('invalidityDate').getTime();
  return { begin, isOnCrl: reason !== 'superseded' };
}
