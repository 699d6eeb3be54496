import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import { CallerFault } from '../../callers/caller.fault.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db, type Tx } from '../../db/db.ts';
import { AppendRecord } from '../../log/append-record.ts';
import { wireTime } from '../../wire-time.ts';
import { AnchorDecisionFault } from './anchor.fault.ts';
import { AnchorReader, type StoredAnchor } from './anchor.reader.ts';
import { AnchorStore } from './anchor.store.ts';

/**
 * Withdraws an anchor: from the commit on, nothing is admitted under it; what was signed before stands. A key that is in wrong
 * hands is revoked instead. Removing trust is cheap: the vendor's owners may, whoever sees to its security, and governance.
 */
@Injectable()
export class WithdrawAnchor {
  constructor(
    private readonly db: Db,
    private readonly reader: AnchorReader,
    private readonly store: AnchorStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async run(caller: Identity, id: string, reason: string): Promise<void> {
    await this.db.transaction(async (tx) => {
      await this.store.lockDecisions(tx);
      const anchor = await this.reader.load(id, tx);
      if (!caller.hasRole(anchor.vendorId, 'owner', 'security') && !caller.isGovernance) {
        throw new CallerFault(
          'caller/forbidden',
          "Only the vendor's owners, its security contacts and governance may.",
        );
      }
      if (anchor.state === 'withdrawn') throw new AnchorDecisionFault('anchor/wrong-state', 'The anchor is withdrawn.');
      const now = this.clock.now();
      const entryId = await this.log(tx, anchor, now);
      await this.store.withdraw(tx, id, now, entryId);
      await this.audit.append(tx, {
        actor: caller.name,
        action: 'anchor-withdrawn',
        subject: `vendor:${anchor.vendorId}`,
        detail: { anchor: id, reason, ...(entryId !== null && { entryId }) },
      });
      this.db.afterCommit(tx, () => this.reader.forget());
    });
  }

  /** A proposal was never on record, and its end is not either. */
  private async log(tx: Tx, { vendorId, registration, certificate }: StoredAnchor, now: Date): Promise<string | null> {
    if (registration === undefined) return null;
    const { entryId } = await this.record.run(tx, {
      subject: `vendor:${vendorId}`,
      vendorId,
      payload: {
        ...{ record: 'anchor-withdrawn', at: wireTime(now), vendor: vendorId, anchor: registration.entryId },
        fingerprint: certificate.fingerprint,
      },
      mentions: [`sha256:${certificate.fingerprint}`],
    });
    return entryId;
  }
}
