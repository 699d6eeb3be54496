import { Injectable } from '@nestjs/common';
import { areEqualBytes, encodeHex, parseHex } from '@margo-trust/bytes';
import type { RevocationKind, RevocationReason } from '@margo-trust/wire';
import { type AuthorityName, CertificateReader } from '../certificates/certificate.reader.ts';
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
  readonly vendorId: string;
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
  /** SHA-256 of the certificate. */
  readonly fingerprint: Uint8Array;
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
  /** The newest long-lived copy of it or of one before it. */
  readonly twin?: { readonly number: bigint; readonly nextUpdate: Date };
}

/** Reads revocations; lent to the log and to the trust root. Within `tx` everything is seen as that transaction sees it. */
@Injectable()
export class RevocationReader {
  constructor(
    private readonly db: Db,
    private readonly authorities: CertificateReader,
  ) {}

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
      `SELECT c.serial, c.fingerprint, c.vendor_id AS owner, c.issuer, c.shard, r.*
       FROM current_revocation r CROSS JOIN LATERAL (SELECT * FROM certificate WHERE serial = r.target OFFSET 0) c
       WHERE r.kind = 'certificate' ORDER BY r.first_sequence`,
    );
    return rows.map((row) => ({
      serial: row.serial,
      fingerprint: encodeHex(row.fingerprint),
      vendorId: row.owner,
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
  async page(limit: number, before?: bigint, tx?: Tx): Promise<HeldRevocation[]> {
    const rows = await this.read<HeldRow>(
      tx,
      `SELECT * FROM current_revocation WHERE $1::bigint IS NULL OR sequence < $1 ORDER BY sequence DESC LIMIT $2`,
      [before?.toString() ?? null, limit],
    );
    return rows.map(toHeld);
  }

  /** Which of these digests are revoked, and for whose signatures: `undefined` stands for everybody's. */
  async digestsAmong(tx: Tx, digests: readonly string[]): Promise<Map<string, (string | undefined)[]>> {
    const found = new Map<string, (string | undefined)[]>();
    if (digests.length === 0) return found;
    const rows = await this.db.prepared<{ target: string; vendor_id: string | null }>(
      tx,
      `SELECT DISTINCT target, vendor_id FROM revocation WHERE kind = 'digest' AND target = ANY($1)`,
      [digests],
    );
    for (const { target, vendor_id: vendorId } of rows) {
      found.set(target, [...(found.get(target) ?? []), vendorId ?? undefined]);
    }
    return found;
  }

  /** Throws Unmet when any of these is revoked, for whosever signatures. */
  async insistOnNoDigest(tx: Tx, digests: readonly string[]): Promise<void> {
    if (digests.length === 0) return;
    await this.db.insist(tx, `NOT EXISTS (SELECT FROM revocation WHERE kind = 'digest' AND target = ANY($1::text[]))`, [
      digests,
    ]);
  }

  /**
   * What the CRLs of leaves list, in the order of serial numbers: certificates revoked for other reasons than being replaced,
   * themselves or by their key or vendor. Of several dates the earliest counts. Those of builds name no CRL (RFC 9608).
   */
  async listed(tx: Tx): Promise<ListedCertificate[]> {
    const rows = await tx.query<ListedRow[]>(
      `SELECT DISTINCT ON (serial) serial, fingerprint, issuer, shard, reason, revoked_at, invalidity_date
       FROM (${CONCERNED}) concerned
       WHERE is_on_crl AND assurance <> 'ci' ORDER BY serial, coalesce(refused_from, '-infinity'), sequence`,
    );
    return rows.map((row) => ({
      ...{ serial: row.serial, fingerprint: row.fingerprint, issuer: row.issuer, shard: row.shard },
      ...toVerdict(row),
    }));
  }

  /** What the CRLs of roots list: issuing CAs, under the root whose name they bear. */
  async listedCas(tx: Tx): Promise<ListedCertificate[]> {
    const held = (await this.broad(tx)).filter(({ kind }) => kind === 'issuer');
    if (held.length === 0) return [];
    const authorities = await this.authorities.authorities(tx);
    return held.flatMap(({ target, reason, revokedAt, invalidityDate }) => {
      const ca = authorities.find(({ name }) => name === target)?.certificate;
      const root = authorities.find(
        ({ role, certificate }) => role === 'root' && ca && areEqualBytes(certificate.subject.der, ca.issuer.der),
      );
      if (!ca || !root) return [];
      const line = { serial: ca.serialHex, fingerprint: parseHex(ca.fingerprint), issuer: root.name, shard: 0 };
      return [{ ...line, reason, revokedAt, ...(invalidityDate && { invalidityDate }) }];
    });
  }

  /** Shards, by CA, whose content decisions after `since` have changed; `-1` for all there are. */
  async concernedSince(tx: Tx, since: bigint): Promise<Map<string, Set<number>>> {
    const rows = await tx.query<{ ca: string; shard: number }[]>(
      `SELECT DISTINCT issuer AS ca, shard FROM (${CONCERNED}) concerned
       WHERE is_on_crl AND assurance <> 'ci' AND sequence > $1`,
      [since.toString()],
    );
    const found = new Map<string, Set<number>>();
    for (const { ca, shard } of rows) found.set(ca, (found.get(ca) ?? new Set()).add(shard));
    const isIssuerHit = (await this.broad(tx)).some(({ kind, sequence }) => kind === 'issuer' && sequence > since);
    if (isIssuerHit) {
      for (const { issuer } of await this.listedCas(tx)) found.set(issuer, new Set([0]));
    }
    return found;
  }

  /** Which decisions all CRLs of a CA know of, by its name. */
  async progress(tx?: Tx): Promise<Map<string, bigint>> {
    const rows = await this.read<{ ca: string; sequence: string }>(tx, 'SELECT ca, sequence FROM crl_progress');
    return new Map(rows.map(({ ca, sequence }) => [ca, BigInt(sequence)]));
  }

  /** The newest CRL of each shard, with its newest twin. */
  async crls(tx?: Tx): Promise<CrlState[]> {
    const rows = await this.read<CrlRow>(
      tx,
      `SELECT c.ca, c.shard, c.number, c.this_update, c.next_update, c.sequence, t.number AS twin_number, t.next_update AS twin_until
       FROM authority a CROSS JOIN generate_series(0, CASE a.role WHEN 'issuing' THEN 127 WHEN 'root' THEN 0 ELSE -1 END) AS s (shard)
       CROSS JOIN LATERAL (SELECT * FROM crl WHERE ca = a.name AND crl.shard = s.shard ORDER BY number DESC LIMIT 1) c
       LEFT JOIN LATERAL (SELECT number, next_update FROM crl_twin WHERE ca = a.name AND crl_twin.shard = s.shard
                          ORDER BY number DESC LIMIT 1) t ON true
       ORDER BY c.ca, c.shard`,
    );
    return rows.map((row) => ({
      ca: row.ca,
      shard: row.shard,
      number: BigInt(row.number),
      thisUpdate: row.this_update,
      nextUpdate: row.next_update,
      sequence: BigInt(row.sequence),
      ...(row.twin_number !== null &&
        row.twin_until !== null && { twin: { number: BigInt(row.twin_number), nextUpdate: row.twin_until } }),
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
  owner: string;
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
  twin_number: string | null;
  twin_until: Date | null;
}

interface ListedRow extends VerdictRow {
  serial: string;
  fingerprint: Buffer;
  issuer: AuthorityName;
  shard: number;
}

/**
 * Current decisions, each beside every certificate that it concerns by its own serial number, its key or its vendor: a few among very
 * many, so each is looked up by itself. Left to choose, PostgreSQL reads all certificates, since it cannot know how few these are.
 */
const CONCERNED = [
  ['certificate', 'serial = r.target'],
  ['key', `spki_sha256 = decode(r.target, 'hex')`],
  ['vendor', 'vendor_id = r.target'],
]
  .map(
    ([kind, condition]) => `
  SELECT c.serial, c.fingerprint, c.issuer, c.shard, c.assurance,
         r.reason, r.revoked_at, r.invalidity_date, r.refused_from, r.is_on_crl, r.sequence
    FROM current_revocation r CROSS JOIN LATERAL (SELECT * FROM certificate WHERE ${condition} OFFSET 0) c WHERE r.kind = '${kind}'`,
  )
  .join(' UNION ALL ');

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
