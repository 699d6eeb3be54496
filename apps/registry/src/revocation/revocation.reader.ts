import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import type { RevocationKind, RevocationReason } from '@margo-trust/wire';
import type { AuthorityName } from '../certificates/certificate.reader.ts';
import { Db, type Tx } from '../db/db.ts';

/** What a decision is about. */
export interface RevocationSubject {
  readonly kind: RevocationKind;
  /** Serial number, SHA-256 of a SubjectPublicKeyInfo, name of an authority, id of a vendor, or digest. */
  readonly target: string;
  /** Of a digest: whose signatures are refused; everybody's when absent. */
  readonly vendorId?: string;
}

/** What holds now about a subject. */
export interface HeldRevocation extends RevocationSubject {
  readonly reason: RevocationReason;
  /** When it was first revoked. */
  readonly revokedAt: Date;
  readonly invalidityDate?: Date;
  /** Of the decision that holds. */
  readonly sequence: bigint;
  readonly logIndex: bigint;
  readonly entryId: string;
}

/** What holds now for one revoked certificate. */
export interface CurrentRevocation {
  readonly serial: string;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: string;
  readonly issuer: AuthorityName;
  readonly shard: number;
  readonly reason: RevocationReason;
  /** When it was first revoked. */
  readonly revokedAt: Date;
  readonly invalidityDate?: Date;
  /** Of the decision that holds. */
  readonly logIndex: bigint;
  readonly entryId: string;
}

/** A line of a CRL. */
export interface ListedCertificate {
  readonly serial: string;
  readonly issuer: AuthorityName;
  readonly shard: number;
  readonly reason: RevocationReason;
  readonly revokedAt: Date;
  readonly invalidityDate?: Date;
}

/** The newest CRL of a shard. Its bytes are a published file. */
export interface CrlState {
  readonly ca: AuthorityName;
  readonly shard: number;
  readonly number: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  /** It knows every decision up to this one. */
  readonly sequence: bigint;
}

/** Reads revocations; lent to the log and to the trust root. Within `tx` everything is seen as that transaction sees it. */
@Injectable()
export class RevocationReader {
  constructor(private readonly db: Db) {}

  /** Number of the latest decision, 0 before the first. Grows without gaps, in the order of commits. */
  async sequence(tx?: Tx): Promise<bigint> {
    const [row] = await this.read<{ sequence: string }>(
      tx,
      'SELECT coalesce(max(sequence), 0) AS sequence FROM revocation',
    );
    return BigInt(row?.sequence ?? 0);
  }

  /** Every revoked certificate, in the order in which they were first revoked. */
  async certificates(tx?: Tx): Promise<CurrentRevocation[]> {
    const rows = await this.read<CertificateRow>(
      tx,
      `SELECT c.serial, c.fingerprint, c.issuer, c.shard, r.*
       FROM current_revocation r JOIN certificate c ON c.serial = r.target
       WHERE r.kind = 'certificate' ORDER BY r.first_sequence`,
    );
    return rows.map((row) => ({
      serial: row.serial,
      fingerprint: encodeHex(row.fingerprint),
      issuer: row.issuer,
      shard: row.shard,
      ...toVerdict(row),
      logIndex: BigInt(row.log_index),
      entryId: row.entry_id,
    }));
  }

  /** What is revoked otherwise than by certificate, in the order of the first decision. */
  async broad(tx?: Tx): Promise<HeldRevocation[]> {
    const rows = await this.read<HeldRow>(
      tx,
      `SELECT * FROM current_revocation WHERE kind <> 'certificate' ORDER BY first_sequence`,
    );
    return rows.map(toHeld);
  }

  /** What holds of these subjects, as far as anything does. */
  async held(subjects: readonly RevocationSubject[], tx?: Tx): Promise<HeldRevocation[]> {
    const rows = await this.read<HeldRow>(
      tx,
      `SELECT r.* FROM unnest($1::text[], $2::text[], $3::text[]) AS s (kind, target, vendor_id)
       JOIN current_revocation r ON r.kind = s.kind AND r.target = s.target AND r.vendor_id IS NOT DISTINCT FROM s.vendor_id
       ORDER BY r.first_sequence`,
      [
        subjects.map(({ kind }) => kind),
        subjects.map(({ target }) => target),
        subjects.map(({ vendorId }) => vendorId ?? null),
      ],
    );
    return rows.map(toHeld);
  }

  /** A page of what holds, the latest decision first; `before` is the sequence that the last page ended with. */
  async page(limit: number, before?: bigint): Promise<HeldRevocation[]> {
    const rows = await this.read<HeldRow>(
      undefined,
      `SELECT * FROM current_revocation WHERE $1::bigint IS NULL OR sequence < $1 ORDER BY sequence DESC LIMIT $2`,
      [before?.toString() ?? null, limit],
    );
    return rows.map(toHeld);
  }

  /** Which of these digests are revoked, and for whose signatures: `undefined` stands for everybody's. */
  async digestsAmong(tx: Tx, digests: readonly string[]): Promise<Map<string, (string | undefined)[]>> {
    const found = new Map<string, (string | undefined)[]>();
    if (digests.length === 0) return found;
    const rows = await tx.query<{ target: string; vendor_id: string | null }[]>(
      `SELECT DISTINCT target, vendor_id FROM revocation WHERE kind = 'digest' AND target = ANY($1)`,
      [digests],
    );
    for (const { target, vendor_id: vendorId } of rows) {
      found.set(target, [...(found.get(target) ?? []), vendorId ?? undefined]);
    }
    return found;
  }

  /**
   * What the CRLs of leaves list, in the order of serial numbers: certificates revoked for other reasons than being replaced,
   * themselves or by their key or vendor. Of several dates the earliest counts.
   */
  async listed(tx: Tx): Promise<ListedCertificate[]> {
    const rows = await tx.query<(VerdictRow & { serial: string; issuer: AuthorityName; shard: number })[]>(
      `SELECT DISTINCT ON (c.serial) c.serial, c.issuer, c.shard, r.reason, r.revoked_at, r.invalidity_date
       FROM current_revocation r JOIN certificate c
         ON (r.kind = 'certificate' AND c.serial = r.target)
         OR (r.kind = 'key' AND c.spki_sha256 = decode(r.target, 'hex'))
         OR (r.kind = 'vendor' AND c.vendor_id = r.target)
       WHERE r.is_on_crl ORDER BY c.serial, coalesce(r.refused_from, '-infinity'), r.sequence`,
    );
    return rows.map((row) => ({ serial: row.serial, issuer: row.issuer, shard: row.shard, ...toVerdict(row) }));
  }

  /** The newest CRL of each shard. */
  async crls(tx?: Tx): Promise<CrlState[]> {
    const rows = await this.read<CrlRow>(
      tx,
      `SELECT DISTINCT ON (ca, shard) ca, shard, number, this_update, next_update, sequence
       FROM crl ORDER BY ca, shard, number DESC`,
    );
    return rows.map((row) => ({
      ca: row.ca,
      shard: row.shard,
      number: BigInt(row.number),
      thisUpdate: row.this_update,
      nextUpdate: row.next_update,
      sequence: BigInt(row.sequence),
    }));
  }

  private read<Row>(tx: Tx | undefined, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return tx === undefined ? this.db.query<Row>(sql, parameters) : tx.query<Row[]>(sql, [...parameters]);
  }
}

interface VerdictRow {
  reason: RevocationReason;
  revoked_at: Date;
  invalidity_date: Date | null;
}

interface HeldRow extends VerdictRow {
  kind: RevocationKind;
  target: string;
  vendor_id: string | null;
  sequence: string;
  log_index: string;
  entry_id: string;
}

interface CertificateRow extends HeldRow {
  serial: string;
  fingerprint: Buffer;
  issuer: AuthorityName;
  shard: number;
}

interface CrlRow {
  ca: AuthorityName;
  shard: number;
  number: string;
  this_update: Date;
  next_update: Date;
  sequence: string;
}

function toVerdict({ reason, revoked_at: revokedAt, invalidity_date: invalidityDate }: VerdictRow) {
  return { reason, revokedAt, ...(invalidityDate && { invalidityDate }) };
}

function toHeld(row: HeldRow): HeldRevocation {
  return {
    kind: row.kind,
    target: row.target,
    ...(row.vendor_id !== null && { vendorId: row.vendor_id }),
    ...toVerdict(row),
    sequence: BigInt(row.sequence),
    logIndex: BigInt(row.log_index),
    entryId: row.entry_id,
  };
}
