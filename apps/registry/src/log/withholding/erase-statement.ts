import { Injectable } from '@nestjs/common';
import { encodeBase64Url } from '@margo-trust/bytes';
import { CONTENT } from '@margo-trust/statement';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { wireTime } from '../../wire-time.ts';
import { LogFault } from '../log.fault.ts';
import type { EntryRecord } from '../log.reader.ts';
import { RecordWithholding } from './record-withholding.ts';
import { WithholdingStore, type ErasureVote } from './withholding.store.ts';

/** How many governance members must want it: evidence does not come back. */
const QUORUM = 2;

/** The registry's own word: without it no decision of the log could be replayed. */
const KEPT: readonly string[] = [CONTENT.record, CONTENT.policy, CONTENT.anchors];

/**
 * Takes one governance member's vote to erase a statement; the second one erases it. Its bytes and time-stamp go, and the
 * log says so in a record. Entry, receipts, proofs and search stay as they are: the tree holds a digest only.
 *
 * A crash before the commit erases nothing; after it, nothing of the service has the bytes any more.
 */
@Injectable()
export class EraseStatement {
  constructor(
    private readonly db: Db,
    private readonly withholdings: WithholdingStore,
    private readonly record: RecordWithholding,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  /** How many have voted so far, and whether that was enough. `reason` becomes public with the record. */
  async run(member: Identity, entry: EntryRecord, reason: string): Promise<{ votes: number; isErased: boolean }> {
    refuseUnerasable(entry);
    const subject = `statement:${encodeBase64Url(entry.entry)}`;
    return this.db.transaction(async (tx) => {
      await this.withholdings.lockVotes(tx);
      const earlier = await this.withholdings.votesFor(tx, entry.entry);
      if (earlier.length >= QUORUM) throw new LogFault('log/statement-erased', 'This statement was erased before.');
      if (earlier.some((voter) => member.isSameAs(voter))) {
        throw new LogFault('log/already-voted', 'You have voted to erase this; another member must be next.');
      }
      const { issuer, subject: voter } = member;
      const vote: ErasureVote = { issuer, subject: voter, reason, votedAt: this.clock.now() };
      await this.withholdings.insertVote(tx, entry.entry, vote);
      const votes = earlier.length + 1;
      await this.audit.append(tx, { actor: member.name, action: 'erasure-voted', subject, detail: { reason } });
      if (votes < QUORUM) return { votes, isErased: false };

      const at = this.clock.now();
      const { entryId: recordEntryId } = await this.record.run(tx, toRecord(entry, reason, votes, at));
      await this.withholdings.erase(tx, entry.entry, { reason, recordEntryId, at });
      await this.audit.append(tx, { actor: 'quorum', action: 'statement-erased', subject, detail: { recordEntryId } });
      return { votes, isErased: true };
    });
  }
}

function toRecord({ entry, index, vendorId }: EntryRecord, reason: string, approvals: number, at: Date) {
  const entryId = encodeBase64Url(entry);
  return {
    subject: `statement:${entryId}`,
    mentions: [entryId],
    ...(vendorId !== undefined && { vendorId }),
    payload: {
      record: 'statement-erased',
      at: wireTime(at),
      entry: entryId,
      index: index.toString(),
      ...(vendorId !== undefined && { vendor: vendorId }),
      reason,
      approvals,
    },
  };
}

/** What must stay readable: the registry's own statements, and leaves whose bytes are the tree's. */
export function refuseUnerasable({ contentType, raw }: EntryRecord): void {
  if (KEPT.includes(contentType)) {
    throw new LogFault('log/not-erasable', 'The registry’s own records stay: decisions are replayed with them.');
  }
  if (raw !== undefined)
    throw new LogFault('log/not-erasable', 'The bytes of this entry are a leaf of the tree itself.');
}
