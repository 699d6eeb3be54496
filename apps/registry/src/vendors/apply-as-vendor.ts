import type { VendorApplication } from '@margo-trust/wire';
import { Injectable } from '@nestjs/common';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import type { Identity } from '../callers/identity.ts';
import { MemberStore } from '../callers/member.store.ts';
import { Clock } from '../clock.ts';
import { Db } from '../db/db.ts';
import { Random } from '../random.ts';
import { listClaims } from './claims.ts';
import { refuseTaken } from './refuse-taken.ts';
import { makeVendorId } from './vendor-id.ts';
import { VendorStore } from './vendor.store.ts';

/** Files an application and makes the applicant its first owner. Returns the new vendor's id. */
@Injectable()
export class ApplyAsVendor {
  constructor(
    private readonly db: Db,
    private readonly vendors: VendorStore,
    private readonly members: MemberStore,
    private readonly audit: AuditTrail,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  async run(applicant: Identity, application: VendorApplication): Promise<string> {
    const now = this.clock.now();
    const id = makeVendorId(now, this.random.bytes(10));
    const claims = listClaims(application.claims);
    const vendor = {
      id,
      legalName: application.legalName,
      country: application.country,
      state: application.state,
      personas: application.personas,
      securityContact: application.securityContact,
      website: application.website ?? null,
      status: 'submitted' as const,
      submittedAt: now,
      admittedAt: null,
      suspendedAt: null,
      suspensionReason: null,
      admissionEntryId: null,
      recordEntryId: null,
    };
    await this.db.transaction(async (tx) => {
      // Only a courtesy to the applicant: what counts is the same check at admission.
      await refuseTaken(tx, this.vendors, vendor, claims);
      await this.vendors.insert(tx, vendor, claims);
      const { issuer, subject } = applicant;
      await this.members.add(tx, { issuer, subject, organisation: id, role: 'owner', since: now });
      await this.audit.append(tx, {
        actor: applicant.name,
        action: 'vendor-submitted',
        subject: `vendor:${id}`,
        detail: { claims: application.claims },
      });
    });
    return id;
  }
}
