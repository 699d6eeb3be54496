import { Injectable } from '@nestjs/common';
import { encodeBase64Url } from '@margo-trust/bytes';
import { AuditTrail } from '../../audit/audit-trail.store.ts';
import { CallerFault } from '../../callers/caller.fault.ts';
import type { Identity } from '../../callers/identity.ts';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { wireTime } from '../../wire-time.ts';
import { refuseUnerasable } from './erase-statement.ts';
import type { EntryRecord } from '../log.reader.ts';
import { RecordWithholding } from './record-withholding.ts';
import { WithholdingStore } from './withholding.store.ts';

/**
 * Takes a statement's payload from the public, and gives it back. The vendor's owner or governance restricts; only
 * governance lifts it, since it may have had a reason of its own. Both are records in the log.
 */
@Injectable()
export class RestrictStatement {
  constructor(
    private readonly db: Db,
    private readonly withholdings: WithholdingStore,
    private readonly record: RecordWithholding,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async run(caller: Identity, entry: EntryRecord, reason: string): Promise<void> {
    const isOwner = entry.vendorId !== undefined && caller.hasRole(entry.vendorId, 'owner');
    if (!isOwner && !caller.isGovernance) {
      throw new CallerFault('caller/forbidden', 'Only an owner of the vendor and governance may restrict a statement.');
    }
    refuseUnerasable(entry);
    const by = isOwner ? 'vendor' : 'governance';
    await this.write(caller, entry, 'statement-restricted', { by, reason });
  }

  async lift(member: Identity, entry: EntryRecord): Promise<void> {
    refuseUnerasable(entry);
    await this.write(member, entry, 'statement-released', {});
  }

  private async write(
    actor: Identity,
    { entry, index, vendorId }: EntryRecord,
    action: 'statement-restricted' | 'statement-released',
    detail: { by?: string; reason?: string },
  ): Promise<void> {
    const at = this.clock.now();
    const entryId = encodeBase64Url(entry);
    const subject = `statement:${entryId}`;
    await this.db.transaction(async (tx) => {
      const { entryId: recordEntryId } = await this.record.run(tx, {
        subject,
        mentions: [entryId],
        ...(vendorId !== undefined && { vendorId }),
        payload: {
          record: action,
          at: wireTime(at),
          entry: entryId,
          index: index.toString(),
          ...(vendorId !== undefined && { vendor: vendorId }),
          ...detail,
        },
      });
      if (action === 'statement-released') await this.withholdings.release(tx, entry);
      else await this.withholdings.restrict(tx, entry, { reason: detail.reason ?? '', recordEntryId, at });
      await this.audit.append(tx, { actor: actor.name, action, subject, detail: { ...detail, recordEntryId } });
    });
  }
}
