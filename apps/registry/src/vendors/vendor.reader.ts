import type { VendorClaims, VendorStatus } from '@margo-trust/wire';
import { Injectable } from '@nestjs/common';
import { In, LessThan } from 'typeorm';
import { Config } from '../config.ts';
import { Batches } from '../db/batches.ts';
import { Db, type Tx } from '../db/db.ts';
import { groupClaims } from './claims.ts';
import { VendorApprovalRow } from './vendor-approval.row.ts';
import { VendorClaimRow } from './vendor-claim.row.ts';
import { VendorFault } from './vendor.fault.ts';
import { findVendorId, isVendorId, vendorUri } from './vendor-id.ts';
import { VendorRow } from './vendor.row.ts';

/** What other areas need to know of a vendor. */
export interface PublishingVendor {
  id: string;
  uri: string;
  legalName: string;
  status: VendorStatus;
  /** The part of its certificates' subject that is its alone. */
  subject: { C: string; ST: string; O: string };
  /** Granted claims; none before admission. */
  claims: VendorClaims;
  /** EntryIDs of the record that admitted it and of the latest one. */
  admissionEntryId: string | undefined;
  recordEntryId: string | undefined;
}

/** Everything on file, for the vendor's own page. */
export interface VendorFile extends PublishingVendor {
  row: Readonly<VendorRow>;
  /** As applied for, granted or not. */
  claimed: VendorClaims;
  approvals: readonly Readonly<VendorApprovalRow>[];
}

const MAX_BATCH = 256;
const LANES = 2;

const ACTIVE_AMONG = `FROM vendor WHERE id = ANY($1::text[]) AND status = 'active'
  AND NOT EXISTS (SELECT FROM revocation r WHERE r.kind = 'vendor' AND r.target = vendor.id)`;

@Injectable()
export class VendorReader {
  /** Vendors that are asked for together are read together. */
  private readonly asking = new Batches((ids: readonly string[]) => this.readAll(ids), MAX_BATCH, LANES);

  constructor(
    private readonly db: Db,
    private readonly config: Config,
  ) {}

  /** The vendor whose URI this is: `iss` of a statement, URI of a certificate. */
  async findByUri(uri: string): Promise<PublishingVendor | undefined> {
    const id = findVendorId(uri, this.config.domain);
    return id === undefined ? undefined : this.find(id);
  }

  async find(id: string): Promise<VendorFile | undefined> {
    return isVendorId(id) ? this.asking.add(id) : undefined;
  }

  async load(id: string): Promise<VendorFile> {
    const vendor = await this.find(id);
    if (vendor === undefined) throw new VendorFault('vendor/not-found', 'There is no vendor with this id.');
    return vendor;
  }

  /**
   * Which of these are active, and not revoked for good. They stay so until `tx` ends if it holds the log's head: a suspension
   * or revocation waits for that.
   */
  async activeAmong(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
    const rows = await this.db.prepared<{ id: string }>(tx, `SELECT id ${ACTIVE_AMONG}`, [[...ids]]);
    return new Set(rows.map(({ id }) => id));
  }

  /** Throws Unmet unless all of these, each named once, are {@link activeAmong} them. */
  async insistOnActive(tx: Tx, ids: readonly string[]): Promise<void> {
    await this.db.insist(tx, `SELECT count(*) = cardinality($1::text[]) ${ACTIVE_AMONG}`, [[...ids]]);
  }

  /** Every vendor that was ever admitted, oldest first: what trust roots tell devices. */
  async admitted(tx?: Tx): Promise<PublishingVendor[]> {
    const manager = tx ?? this.db.manager;
    return this.fill(
      await manager.find(VendorRow, { where: { status: In(['active', 'suspended']) }, order: { id: 'ASC' } }),
      tx,
    );
  }

  /** Reads otherwise as soon as anybody is admitted, suspended or reinstated: whether a copy of {@link admitted} is old. */
  async stateOfAdmitted(tx?: Tx): Promise<string> {
    const [row] = await (tx ?? this.db.manager).query<{ state: string }[]>(
      `SELECT md5(coalesce(string_agg(id || status || record_entry_id, ' ' ORDER BY id), '')) AS state
       FROM vendor WHERE status <> 'submitted'`,
    );
    return row?.state ?? '';
  }

  /** A page of vendors, newest first; `before` is the id that the last page ended with. */
  async page(limit: number, before?: string): Promise<VendorFile[]> {
    const where = before === undefined ? {} : { id: LessThan(before) };
    return this.fill(await this.db.manager.find(VendorRow, { where, order: { id: 'DESC' }, take: limit }));
  }

  private async readAll(ids: readonly string[]): Promise<readonly (VendorFile | undefined)[]> {
    const found = await this.fill(await this.db.manager.find(VendorRow, { where: { id: In([...new Set(ids)]) } }));
    const byId = new Map(found.map((vendor) => [vendor.id, vendor]));
    return ids.map((id) => byId.get(id));
  }

  private async fill(rows: readonly VendorRow[], tx?: Tx): Promise<VendorFile[]> {
    if (rows.length === 0) return [];
    const manager = tx ?? this.db.manager;
    const vendorId = In(rows.map(({ id }) => id));
    const claims = await manager.find(VendorClaimRow, { where: { vendorId } });
    const approvals = await manager.find(VendorApprovalRow, { where: { vendorId }, order: { approvedAt: 'ASC' } });
    return rows.map((row) => {
      const own = claims.filter((claim) => claim.vendorId === row.id);
      return {
        id: row.id,
        uri: vendorUri(row.id, this.config.domain),
        legalName: row.legalName,
        status: row.status,
        subject: { C: row.country, ST: row.state, O: row.legalName },
        claims: groupClaims(own.filter((claim) => claim.grantedAt !== null)),
        admissionEntryId: row.admissionEntryId ?? undefined,
        recordEntryId: row.recordEntryId ?? undefined,
        row,
        claimed: groupClaims(own),
        approvals: approvals.filter((approval) => approval.vendorId === row.id),
      };
    });
  }
}
