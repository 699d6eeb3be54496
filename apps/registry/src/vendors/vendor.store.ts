import type { VendorStatus } from '@margo-trust/wire';
import { Injectable } from '@nestjs/common';
import { Not } from 'typeorm';
import type { Tx } from '../db/db.ts';
import { areOverlapping, type Claim } from './claims.ts';
import { VendorApprovalRow } from './vendor-approval.row.ts';
import { VendorClaimRow } from './vendor-claim.row.ts';
import { VendorFault } from './vendor.fault.ts';
import { isVendorId } from './vendor-id.ts';
import { VendorRow } from './vendor.row.ts';

export type StoredVendor = VendorRow;
export type StoredApproval = VendorApprovalRow;

/** The vendors' tables. Every method takes the caller's transaction; none opens its own. */
@Injectable()
export class VendorStore {
  /** One admission at a time: claims that overlap cannot be kept apart by a constraint. */
  async lockAdmissions(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [ADMISSION_LOCK]);
  }

  async load(tx: Tx, id: string): Promise<StoredVendor> {
    const vendor = isVendorId(id) ? await tx.findOne(VendorRow, { where: { id } }) : null;
    if (vendor === null) throw new VendorFault('vendor/not-found', 'There is no vendor with this id.');
    return vendor;
  }

  async insert(tx: Tx, vendor: StoredVendor, claims: readonly Claim[]): Promise<void> {
    await tx.insert(VendorRow, vendor);
    if (claims.length === 0) return;
    await tx.insert(
      VendorClaimRow,
      claims.map((claim) => ({ ...claim, vendorId: vendor.id, grantedAt: null })),
    );
  }

  /**
   * Changes a vendor that is still in status `from`.
   *
   * Only after its record was appended in the same transaction: that holds the log's head, and always taking the head
   * before a vendor keeps this from deadlocking with registrations, which read vendors while they hold it.
   */
  async move(tx: Tx, id: string, from: VendorStatus, change: Partial<Omit<StoredVendor, 'id'>>): Promise<void> {
    const { affected } = await tx.update(VendorRow, { id, status: from }, change);
    if (affected !== 1) throw new VendorFault('vendor/wrong-status', `The vendor is no longer ${from}.`);
  }

  claimsOf(tx: Tx, id: string): Promise<VendorClaimRow[]> {
    return tx.find(VendorClaimRow, { where: { vendorId: id }, order: { kind: 'ASC', value: 'ASC' } });
  }

  async grantClaims(tx: Tx, id: string, grantedAt: Date): Promise<void> {
    await tx.update(VendorClaimRow, { vendorId: id }, { grantedAt });
  }

  /** The first of `claims` that an admitted vendor other than `id` already holds, wholly or in part. */
  async findTaken(tx: Tx, id: string, claims: readonly Claim[]): Promise<Claim | undefined> {
    const granted = await tx
      .createQueryBuilder(VendorClaimRow, 'claim')
      .where('claim.grantedAt IS NOT NULL AND claim.vendorId <> :id', { id })
      .getMany();
    return claims.find((claim) => granted.some((other) => areOverlapping(claim, other)));
  }

  /** Whether an admitted vendor other than `vendor` has its country, state and name. */
  async isSubjectTaken(tx: Tx, { id, country, state, legalName }: StoredVendor): Promise<boolean> {
    return tx.exists(VendorRow, { where: { id: Not(id), country, state, legalName, status: Not('submitted') } });
  }

  approvalsOf(tx: Tx, id: string): Promise<StoredApproval[]> {
    return tx.find(VendorApprovalRow, { where: { vendorId: id }, order: { approvedAt: 'ASC' } });
  }

  async insertApproval(tx: Tx, approval: StoredApproval): Promise<void> {
    await tx.insert(VendorApprovalRow, approval);
  }
}

const ADMISSION_LOCK = 0x7664616d; // "vdam"
