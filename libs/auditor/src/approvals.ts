import { wrongEntry } from './fault.ts';
import type { RecordPayload } from './record.ts';

/** Governance members who must say yes to what grants trust, takes something away for good, or changes a log. */
export const QUORUM = 2;

/** What a record does, as the rest of a sentence; throws `audit/wrong-admission` when one member alone decided it. Speaks of no vendor. */
export function refuseLoneDecision(record: RecordPayload, index: bigint, what: string): undefined {
  if (record.count('approvals') < QUORUM) throw wrongEntry(index, `${what} with less than ${QUORUM} approvals`);
  return undefined;
}
