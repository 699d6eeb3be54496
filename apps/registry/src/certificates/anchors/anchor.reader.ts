import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import type { AnchorTerms, RegisteredAnchor, SubjectPattern } from '@margo-trust/policy';
import type { Claims } from '@margo-trust/statement';
import { type AnchorPurpose, type Certificate, parseCertificate } from '@margo-trust/x509';
import { Db, type Tx } from '../../db/db.ts';
import { noSuchAnchor } from './anchor.fault.ts';

export type AnchorState = 'proposed' | 'registered' | 'withdrawn';

/** An anchor of a vendor's, and what has become of it. */
export interface StoredAnchor extends RegisteredAnchor {
  readonly id: string;
  readonly state: AnchorState;
  readonly reason: string;
  readonly proposer: { readonly issuer: string; readonly subject: string };
  readonly proposedAt: Date;
  /** Once two members of governance have agreed. */
  readonly registration?: { readonly at: Date; readonly logIndex: bigint; readonly entryId: string };
  /** With a record, if it was registered before. */
  readonly withdrawal?: { readonly at: Date; readonly entryId?: string };
}

export interface AnchorApproval {
  readonly issuer: string;
  readonly subject: string;
  readonly note: string;
  readonly approvedAt: Date;
}

/** Reads anchors; lent to the log and to the trust root. */
@Injectable()
export class AnchorReader {
  private known: { anchors: readonly StoredAnchor[]; state: string; askedAt: number } | undefined;
  /** Parsing costs more than reading; certificates never change. */
  private readonly parsed = new Map<string, Certificate>();

  constructor(private readonly db: Db) {}

  /**
   * Those in force, whatever their purpose, in the order of the log. What was read within the last second will do, and the array
   * is the same one until something changes.
   */
  async inForce(): Promise<readonly StoredAnchor[]> {
    const now = performance.now();
    if (this.known !== undefined && now - this.known.askedAt < KNOWN_FOR_MS) return this.known.anchors;
    const state = await this.state();
    const anchors = this.known?.state === state ? this.known.anchors : await this.readInForce();
    this.known = { anchors, state, askedAt: now };
    return anchors;
  }

  /** The next question is put to the database: something has changed here. */
  forget(): void {
    this.known = undefined;
  }

  readInForce(tx?: Tx): Promise<StoredAnchor[]> {
    return this.read(tx, 'WHERE registered_at IS NOT NULL AND withdrawn_at IS NULL ORDER BY log_index');
  }

  /** Every anchor that was ever registered, in the order of the log: what trust roots tell devices. */
  published(tx: Tx): Promise<StoredAnchor[]> {
    return this.read(tx, 'WHERE registered_at IS NOT NULL ORDER BY log_index');
  }

  /** Those in force that tools are to be told of which know no revocation but a CRL: neither key nor vendor is revoked. */
  forTools(tx?: Tx): Promise<StoredAnchor[]> {
    return this.read(tx, `${FOR_TOOLS} ORDER BY log_index`);
  }

  /** Reads otherwise as soon as {@link forTools} does. */
  async stateForTools(): Promise<string> {
    const rows = await this.rows<{ id: string }>(undefined, `SELECT id FROM anchor ${FOR_TOOLS} ORDER BY log_index`);
    return rows.map(({ id }) => id).join(' ');
  }

  /** Reads otherwise as soon as any anchor is registered or withdrawn. */
  async state(tx?: Tx): Promise<string> {
    const sql = 'SELECT count(entry_id) AS registered, count(withdrawal_entry_id) AS withdrawn FROM anchor';
    const [row] = await this.rows<{ registered: string; withdrawn: string }>(tx, sql);
    return `${row?.registered ?? 0}/${row?.withdrawn ?? 0}`;
  }

  /** Which of these are in force. They stay so until `tx` ends if it holds the log's head. */
  async inForceAmong(tx: Tx, ids: readonly string[]): Promise<Set<string>> {
    const rows = await this.db.prepared<{ id: string }>(
      tx,
      'SELECT id FROM anchor WHERE id = ANY($1) AND registered_at IS NOT NULL AND withdrawn_at IS NULL',
      [[...ids]],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** `id` may come from a caller as it stands. */
  async load(id: string, tx?: Tx): Promise<StoredAnchor> {
    const [found] = /^[0-9a-f]{26}$/.test(id) ? await this.read(tx, 'WHERE id = $1', [id]) : [];
    if (found === undefined) throw noSuchAnchor();
    return found;
  }

  /** All of a vendor's that are not withdrawn, and those that are; oldest first. */
  ofVendor(vendorId: string, tx?: Tx): Promise<StoredAnchor[]> {
    return this.read(tx, 'WHERE vendor_id = $1 ORDER BY proposed_at, id', [vendorId]);
  }

  /** Those that wait for a decision, oldest first. */
  proposals(limit: number): Promise<StoredAnchor[]> {
    return this.read(
      undefined,
      'WHERE registered_at IS NULL AND withdrawn_at IS NULL ORDER BY proposed_at, id LIMIT $1',
      [limit],
    );
  }

  /** A page of those in force for a purpose, or for any, in the order of the log; `after` is the log index that the last page ended with. */
  page({ purpose, limit, after }: { purpose?: AnchorPurpose; limit: number; after?: bigint }): Promise<StoredAnchor[]> {
    return this.read(
      undefined,
      `WHERE registered_at IS NOT NULL AND withdrawn_at IS NULL AND ($1::text IS NULL OR purpose = $1)
         AND ($2::bigint IS NULL OR log_index > $2) ORDER BY log_index LIMIT $3`,
      [purpose ?? null, after?.toString() ?? null, limit],
    );
  }

  async approvals(id: string, tx?: Tx): Promise<AnchorApproval[]> {
    const sql =
      'SELECT issuer, subject, note, approved_at FROM anchor_approval WHERE anchor_id = $1 ORDER BY approved_at';
    const rows = await this.rows<ApprovalRow>(tx, sql, [id]);
    return rows.map(({ approved_at: approvedAt, ...same }) => ({ ...same, approvedAt }));
  }

  /** The vendors that have registered the key, ever; `key` is SHA-256 of the SubjectPublicKeyInfo. */
  async holdersOf(tx: Tx, key: Uint8Array): Promise<string[]> {
    const sql = 'SELECT DISTINCT vendor_id FROM anchor WHERE spki_sha256 = $1 AND registered_at IS NOT NULL';
    return (await this.rows<{ vendor_id: string }>(tx, sql, [Buffer.from(key)])).map((row) => row.vendor_id);
  }

  private async read(tx: Tx | undefined, where: string, parameters: readonly unknown[] = []): Promise<StoredAnchor[]> {
    const rows = await this.rows<AnchorRow>(tx, `SELECT * FROM anchor ${where}`, parameters);
    return rows.map((row) => toAnchor(row, this.parse(row)));
  }

  private parse({ fingerprint, der }: AnchorRow): Certificate {
    const key = encodeHex(fingerprint);
    const known = this.parsed.get(key);
    if (known) return known;
    const certificate = parseCertificate(Uint8Array.from(der));
    if (this.parsed.size >= CACHED_CERTIFICATES) this.parsed.clear();
    this.parsed.set(key, certificate);
    return certificate;
  }

  private rows<Row>(tx: Tx | undefined, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return tx === undefined ? this.db.query<Row>(sql, parameters) : tx.query<Row[]>(sql, [...parameters]);
  }
}

const FOR_TOOLS = `
  WHERE registered_at IS NOT NULL AND withdrawn_at IS NULL AND NOT EXISTS (SELECT FROM revocation r WHERE (r.kind, r.target) IN
    (('vendor', anchor.vendor_id), ('key', encode(anchor.spki_sha256, 'hex'))))`;
const KNOWN_FOR_MS = 1_000;
const CACHED_CERTIFICATES = 4_096;

/** The terms as the database has them; times as in the record. */
export interface TermsJson {
  vendorUri: string;
  claims: Claims;
  subject: SubjectPattern;
  validFrom: string;
  validUntil: string;
}

interface AnchorRow {
  id: string;
  vendor_id: string;
  purpose: AnchorTerms['purpose'];
  der: Buffer;
  fingerprint: Buffer;
  terms: TermsJson;
  reason: string;
  issuer: string;
  subject: string;
  proposed_at: Date;
  registered_at: Date | null;
  log_index: string | null;
  entry_id: string | null;
  withdrawn_at: Date | null;
  withdrawal_entry_id: string | null;
}

interface ApprovalRow {
  issuer: string;
  subject: string;
  note: string;
  approved_at: Date;
}

function toAnchor(row: AnchorRow, certificate: Certificate): StoredAnchor {
  const { vendorUri, claims, subject, validFrom, validUntil } = row.terms;
  const { registered_at: registeredAt, log_index: logIndex, entry_id: entryId, withdrawn_at: withdrawnAt } = row;
  return {
    ...{ id: row.id, vendorId: row.vendor_id, vendorUri, purpose: row.purpose, certificate, claims, subject },
    ...{ validFrom: new Date(validFrom), validUntil: new Date(validUntil), reason: row.reason },
    state: withdrawnAt !== null ? 'withdrawn' : registeredAt !== null ? 'registered' : 'proposed',
    proposer: { issuer: row.issuer, subject: row.subject },
    proposedAt: row.proposed_at,
    ...(registeredAt !== null &&
      logIndex !== null &&
      entryId !== null && { registration: { at: registeredAt, logIndex: BigInt(logIndex), entryId } }),
    ...(withdrawnAt !== null && {
      withdrawal: { at: withdrawnAt, ...(row.withdrawal_entry_id !== null && { entryId: row.withdrawal_entry_id }) },
    }),
  };
}
