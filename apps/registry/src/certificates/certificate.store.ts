import { Injectable } from '@nestjs/common';
import { parseHex } from '@margo-trust/bytes';
import type { Assurance } from '@margo-trust/x509';
import type { Tx } from '../db/db.ts';
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

/** Who decided, and the record of it. */
export interface Decision {
  readonly member: string;
  readonly entryId: string;
}

/** Writes certificates. Every method takes the caller's transaction; nothing is ever changed. */
@Injectable()
export class CertificateStore {
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
    await tx.query('SELECT pg_advisory_xact_lock($1)', [ISSUANCE_LOCK]);
  }

  /** Whether a certificate for this key was ever issued, to anybody. */
  async isKeyUsed(tx: Tx, spkiSha256: Uint8Array): Promise<boolean> {
    const rows = await tx.query<unknown[]>('SELECT 1 FROM certificate WHERE spki_sha256 = $1', [
      Buffer.from(spkiSha256),
    ]);
    return rows.length > 0;
  }

  async isIssuerRevoked(tx: Tx, name: AuthorityName): Promise<boolean> {
    const rows = await tx.query<unknown[]>(`SELECT 1 FROM revocation WHERE kind = 'issuer' AND target = $1`, [name]);
    return rows.length > 0;
  }

  /** What was logged for this key, whether or not its certificate was signed. */
  async findPrecertificate(tx: Tx, spkiSha256: Uint8Array): Promise<Precertificate | undefined> {
    const [row] = await tx.query<PrecertificateRow[]>('SELECT * FROM precertificate WHERE spki_sha256 = $1', [
      Buffer.from(spkiSha256),
    ]);
    return (
      row && {
        ...{ serial: row.serial, spkiSha256, vendorId: row.vendor_id, assurance: row.assurance },
        ...{ issuer: row.issuer, shard: row.shard },
        ...{
          tbs: Uint8Array.from(row.tbs),
          logIndex: BigInt(row.log_index),
          entryId: row.entry_id,
          loggedAt: row.logged_at,
        },
      }
    );
  }

  async insertPrecertificate(tx: Tx, precertificate: Precertificate): Promise<void> {
    const { serial, spkiSha256, vendorId, assurance, issuer, shard, tbs, logIndex, entryId, loggedAt } = precertificate;
    await tx.query(
      `INSERT INTO precertificate (serial, spki_sha256, vendor_id, assurance, issuer, shard, tbs, log_index, entry_id, logged_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        ...[serial, Buffer.from(spkiSha256), vendorId, assurance, issuer, shard],
        ...[Buffer.from(tbs), `${logIndex}`, entryId, loggedAt],
      ],
    );
  }

  async insert(tx: Tx, certificate: NewCertificate): Promise<void> {
    await tx.query(
      `INSERT INTO certificate (serial, fingerprint, spki_sha256, vendor_id, assurance, issuer, shard, der, not_before,
                                not_after, log_index, entry_id, issued_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
      [
        certificate.serial,
        Buffer.from(parseHex(certificate.fingerprint)),
        Buffer.from(certificate.spkiSha256),
        certificate.vendorId,
        certificate.assurance,
        certificate.issuer,
        certificate.shard,
        Buffer.from(certificate.der),
        certificate.notBefore,
        certificate.notAfter,
        certificate.logIndex.toString(),
        certificate.entryId,
        certificate.issuedAt,
      ],
    );
  }
}

interface PrecertificateRow {
  serial: string;
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
