import { Injectable } from '@nestjs/common';
import { encodeHex, parseHex } from '@margo-trust/bytes';
import type { Assurance } from '@margo-trust/x509';
import { Db, type Tx } from '../db/db.ts';
import type {
  Authority,
  AuthorityName,
  AuthorityState,
  IssuedCertificate,
  Precertificate,
} from './certificate.reader.ts';

export interface NewCertificate extends Omit<IssuedCertificate, 'revocation'> {
  /** SHA-256 of the SubjectPublicKeyInfo. */
  readonly spkiSha256: Uint8Array;
  /** Number of its CRL, fixed for ever. */
  readonly shard: number;
}

/** Who has a key, and the certificate that it was certified by; none where it is that of a registered anchor. */
export type UsedKey = Pick<IssuedCertificate, 'vendorId'> & Partial<Pick<IssuedCertificate, 'serial'>>;

/** Who decided, and the record of it. */
export interface Decision {
  readonly member: string;
  readonly entryId: string;
}

/** Writes certificates. Every method takes the caller's transaction; nothing is ever changed. */
@Injectable()
export class CertificateStore {
  constructor(private readonly db: Db) {}

  /** One change of authorities at a time. */
  async lockAuthorities(tx: Tx): Promise<void> {
    await tx.query('SELECT pg_advisory_xact_lock($1)', [AUTHORITIES_LOCK]);
  }

  /** Under {@link lockAuthorities}, as is {@link moveAuthority}. */
  async insertAuthority(tx: Tx, authority: Authority, decision?: Decision): Promise<void> {
    const { name, role, der, createdAt, state, since } = authority;
    await tx.query('INSERT INTO authority (name, role, der, created_at) VALUES ($1, $2, $3, $4)', [
      name,
      role,
      Buffer.from(der),
      createdAt,
    ]);
    await this.moveAuthority(tx, name, state, since, decision);
  }

  /** An authority is in each state once at most. */
  async moveAuthority(tx: Tx, name: AuthorityName, state: AuthorityState, since: Date, by?: Decision): Promise<void> {
    await tx.query(
      `INSERT INTO authority_state (sequence, name, state, since, decided_by, entry_id)
       SELECT coalesce(max(sequence), 0) + 1, $1, $2, $3, $4, $5 FROM authority_state`,
      [name, state, since, by?.member ?? null, by?.entryId ?? null],
    );
  }

  /** Who has announced an authority, as the audit trail names people. */
  async announcerOf(tx: Tx, name: AuthorityName): Promise<string | undefined> {
    const [row] = await tx.query<{ decided_by: string | null }[]>(
      'SELECT decided_by FROM authority_state WHERE name = $1 ORDER BY sequence LIMIT 1',
      [name],
    );
    return row?.decided_by ?? undefined;
  }

  /** When the last certificate that an issuing CA has signed or announced for vendors ends. */
  async lastExpiry(tx: Tx, { name }: Authority): Promise<Date | undefined> {
    const [row] = await tx.query<{ last: Date | null }[]>(
      'SELECT max(not_after) AS last FROM certificate WHERE issuer = $1',
      [name],
    );
    return row?.last ?? undefined;
  }

  /** One issuance at a time, so that a key found unused is still unused when its certificate is stored. */
  async lockIssuance(tx: Tx): Promise<void> {
    await this.db.prepared(tx, 'SELECT pg_advisory_xact_lock($1)', [ISSUANCE_LOCK]);
  }

  /**
   * Which of these keys are taken, whoever has them: a certificate was ever issued for them, and which, or a vendor has registered
   * them as an anchor. Keys are SHA-256 of SubjectPublicKeyInfo, here in hex.
   */
  async usedKeys(tx: Tx, keys: readonly Uint8Array[]): Promise<Map<string, UsedKey>> {
    const rows = await this.db.prepared<{ spki_sha256: Buffer; serial: string | null; vendor_id: string }>(
      tx,
      `SELECT spki_sha256, serial, vendor_id FROM certificate WHERE spki_sha256 = ANY($1)
       UNION ALL
       SELECT spki_sha256, NULL, vendor_id FROM anchor WHERE spki_sha256 = ANY($1) AND registered_at IS NOT NULL`,
      [keys.map((key) => Buffer.from(key))],
    );
    return new Map(
      rows.map(({ spki_sha256: key, serial, vendor_id: vendorId }) => [
        encodeHex(key),
        { vendorId, ...(serial !== null && { serial }) },
      ]),
    );
  }

  /** Which of these issuing CAs are revoked. */
  async revokedIssuers(tx: Tx, names: readonly AuthorityName[]): Promise<Set<AuthorityName>> {
    const rows = await this.db.prepared<{ target: string }>(
      tx,
      `SELECT target FROM revocation WHERE kind = 'issuer' AND target = ANY($1)`,
      [[...names]],
    );
    return new Set(rows.map(({ target }) => target));
  }

  /** What was logged for these keys, whether or not a certificate was signed; by hex of the key. */
  async findPrecertificates(tx: Tx, keys: readonly Uint8Array[]): Promise<Map<string, Precertificate>> {
    const rows = await this.db.prepared<PrecertificateRow>(
      tx,
      `SELECT serial, spki_sha256, vendor_id, assurance, issuer, shard, tbs, log_index, entry_id, logged_at
       FROM precertificate WHERE spki_sha256 = ANY($1)`,
      [keys.map((key) => Buffer.from(key))],
    );
    return new Map(rows.map((row) => [encodeHex(row.spki_sha256), toPrecertificate(row)]));
  }

  async insertPrecertificates(tx: Tx, rows: readonly Precertificate[]): Promise<void> {
    if (rows.length === 0) return;
    await this.db.prepared(
      tx,
      `INSERT INTO precertificate (serial, spki_sha256, vendor_id, assurance, issuer, shard, tbs, log_index, entry_id, logged_at)
       SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bytea[],
                            $8::bigint[], $9::text[], $10::timestamptz[])`,
      [
        ...[rows.map((row) => row.serial), rows.map((row) => Buffer.from(row.spkiSha256))],
        ...[rows.map((row) => row.vendorId), rows.map((row) => row.assurance), rows.map((row) => row.issuer)],
        ...[
          rows.map((row) => row.shard),
          rows.map((row) => Buffer.from(row.tbs)),
          rows.map((row) => `${row.logIndex}`),
        ],
        ...[rows.map((row) => row.entryId), rows.map((row) => row.loggedAt)],
      ],
    );
  }

  async insertAll(tx: Tx, rows: readonly NewCertificate[]): Promise<void> {
    if (rows.length === 0) return;
    await this.db.prepared(
      tx,
      `INSERT INTO certificate (serial, fingerprint, spki_sha256, vendor_id, assurance, issuer, shard, der, not_before,
                                not_after, log_index, entry_id, issued_at)
       SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::smallint[],
                            $8::bytea[], $9::timestamptz[], $10::timestamptz[], $11::bigint[], $12::text[],
                            $13::timestamptz[])`,
      [
        ...[rows.map((row) => row.serial), rows.map((row) => Buffer.from(parseHex(row.fingerprint)))],
        ...[rows.map((row) => Buffer.from(row.spkiSha256)), rows.map((row) => row.vendorId)],
        ...[rows.map((row) => row.assurance), rows.map((row) => row.issuer), rows.map((row) => row.shard)],
        ...[rows.map((row) => Buffer.from(row.der)), rows.map((row) => row.notBefore), rows.map((row) => row.notAfter)],
        ...[rows.map((row) => `${row.logIndex}`), rows.map((row) => row.entryId), rows.map((row) => row.issuedAt)],
      ],
    );
  }
}

interface PrecertificateRow {
  serial: string;
  spki_sha256: Buffer;
  vendor_id: string;
  assurance: Assurance;
  issuer: AuthorityName;
  shard: number;
  tbs: Buffer;
  log_index: string;
  entry_id: string;
  logged_at: Date;
}

const ISSUANCE_LOCK = 0x63657274; // "cert"
const AUTHORITIES_LOCK = 0x61757468; // "auth"

function toPrecertificate(row: PrecertificateRow): Precertificate {
  return {
    ...{ serial: row.serial, spkiSha256: Uint8Array.from(row.spki_sha256), vendorId: row.vendor_id },
    ...{ assurance: row.assurance, issuer: row.issuer, shard: row.shard, tbs: Uint8Array.from(row.tbs) },
    ...{ logIndex: BigInt(row.log_index), entryId: row.entry_id, loggedAt: row.logged_at },
  };
}
