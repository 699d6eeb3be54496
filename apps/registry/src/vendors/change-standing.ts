import type { VendorStatus } from '@margo-trust/wire';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import type { Identity } from '../callers/identity.ts';
import { Clock } from '../clock.ts';
import { Db } from '../db/db.ts';
import { AppendRecord } from '../log/append-record.ts';
import { VendorFault } from './vendor.fault.ts';
import { VendorStore } from './vendor.store.ts';
import { wireTime } from '../wire-time.ts';

export type StandingChange = { to: 'suspended'; reason: string } | { to: 'active' };

/**
 * Suspends or reinstates an admitted vendor, with its record in the log.
 * Suspending needs one member, since removing trust must be cheap; nobody reinstates a vendor they belong to.
 */
@Injectable()
export class ChangeStanding {
  constructor(
    private readonly db: Db,
    private readonly vendors: VendorStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
  ) {}

  async run(member: Identity, id: string, change: StandingChange): Promise<void> {
    const isSuspension = change.to === 'suspended';
    if (!isSuspension && member.belongsTo(id)) {
      throw new VendorFault('vendor/own-organisation', 'You belong to this vendor: somebody else must reinstate it.');
    }
    const [from, name]: [VendorStatus, string] = isSuspension
      ? ['active', 'vendor-suspended']
      : ['suspended', 'vendor-reinstated'];
    const reason = isSuspension ? change.reason : null;
    const stated = reason === null ? {} : { reason };

    await this.db.transaction(async (tx) => {
      const vendor = await this.vendors.load(tx, id);
      if (vendor.status !== from) {
        throw new VendorFault('vendor/wrong-status', `The vendor is ${vendor.status}, not ${from}.`);
      }
      const now = this.clock.now();
      const { entryId } = await this.record.run(tx, {
        subject: `vendor:${id}`,
        vendorId: id,
        payload: { record: name, at: wireTime(now), vendor: id, ...stated },
      });
      await this.vendors.move(tx, id, from, {
        status: change.to,
        suspendedAt: isSuspension ? now : null,
        suspensionReason: reason,
        recordEntryId: entryId,
      });
      await this.audit.append(tx, {
        actor: member.name,
        action: name,
        subject: `vendor:${id}`,
        detail: { entryId, ...stated },
      });
    });
  }
}
