import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import type { Identity } from '../callers/identity.ts';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { Db, type Tx } from '../db/db.ts';
import { AppendRecord } from '../log/append-record.ts';
import { groupClaims } from './claims.ts';
import { refuseTaken } from './refuse-taken.ts';
import { VendorFault } from './vendor.fault.ts';
import { vendorUri } from './vendor-id.ts';
import { type StoredApproval, type StoredVendor, VendorStore } from './vendor.store.ts';
import { wireTime } from '../wire-time.ts';

/** How many governance members must say yes. */
const QUORUM = 2;

/**
 * Takes one governance member's approval; the second one admits the vendor.
 *
 * Admission, granted claims and the record in the log are one transaction: there is no admitted vendor without a record.
 */
@Injectable()
export class ApproveVendor {
  constructor(
    private readonly db: Db,
    private readonly vendors: VendorStore,
    private readonly record: AppendRecord,
    private readonly audit: AuditTrail,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  async run(member: Identity, id: string, note: string): Promise<void> {
    if (member.belongsTo(id)) {
      throw new VendorFault('vendor/own-organisation', 'You belong to this vendor: somebody else must approve it.');
    }
    await this.db.transaction(async (tx) => {
      await this.vendors.lockAdmissions(tx);
      const vendor = await this.vendors.load(tx, id);
      if (vendor.status !== 'submitted')
        throw new VendorFault('vendor/wrong-status', 'This vendor is already admitted.');
      const earlier = await this.vendors.approvalsOf(tx, id);
      if (earlier.some((voter) => member.isSameAs(voter))) {
        throw new VendorFault('vendor/already-approved', 'You have approved this vendor; another member must be next.');
      }

      const { issuer, subject } = member;
      const approval = { vendorId: id, issuer, subject, note, approvedAt: this.clock.now() };
      await this.vendors.insertApproval(tx, approval);
      await this.audit.append(tx, {
        actor: member.name,
        action: 'vendor-approved',
        subject: `vendor:${id}`,
        detail: { note },
      });
      if (earlier.length + 1 >= QUORUM) await this.admit(tx, vendor, [...earlier, approval]);
    });
  }

  private async admit(tx: Tx, vendor: StoredVendor, approvals: readonly StoredApproval[]): Promise<void> {
    const now = this.clock.now();
    const claims = await this.vendors.claimsOf(tx, vendor.id);
    await refuseTaken(tx, this.vendors, vendor, claims);
    const { entryId } = await this.record.run(tx, {
      subject: `vendor:${vendor.id}`,
      vendorId: vendor.id,
      payload: {
        record: 'vendor-admitted',
        at: wireTime(now),
        vendor: vendor.id,
        uri: vendorUri(vendor.id, this.config.domain),
        legalName: vendor.legalName,
        subject: { C: vendor.country, ST: vendor.state, O: vendor.legalName },
        claims: groupClaims(claims),
        approvals: approvals.length,
      },
    });
    await this.vendors.move(tx, vendor.id, 'submitted', {
      status: 'active',
      admittedAt: now,
      admissionEntryId: entryId,
      recordEntryId: entryId,
    });
    await this.vendors.grantClaims(tx, vendor.id, now);
    await this.audit.append(tx, {
      actor: 'quorum',
      action: 'vendor-admitted',
      subject: `vendor:${vendor.id}`,
      detail: { entryId },
    });
  }
}
