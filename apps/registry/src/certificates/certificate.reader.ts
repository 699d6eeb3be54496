import { Injectable } from '@nestjs/common';
import { areEqualBytes, encodeHex } from '@margo-trust/bytes';
import type { RevocationReason } from '@margo-trust/wire';
import { type Assurance, type Certificate, parseCertificate } from '@margo-trust/x509';
import { Db, type Tx } from '../db/db.ts';
import { CertificateFault } from './certificate.fault.ts';

export type AuthorityRole = 'root' | 'issuing' | 'tsa-ca' | 'tsa';
/** How paths and trust roots call an authority: `root`, `issuing-1`, `tsa-ca`, `tsa`; later ones count on, as `issuing-2` and `root-2`. */
export type AuthorityName = string;
/**
 * `standby`: published and signs nothing yet, as the next issuing CA and the dormant root. `active`: the one of its role that
 * signs. `retiring`: a CA that signs CRLs, and no certificate but those announced before. `retired`: signs nothing more.
 */
export type AuthorityState = 'standby' | 'active' | 'retiring' | 'retired';

/** A CA or time-stamping authority of the registry. */
export interface Authority {
  readonly name: AuthorityName;
  readonly role: AuthorityRole;
  readonly der: Uint8Array;
  readonly certificate: Certificate;
  readonly createdAt: Date;
  readonly state: AuthorityState;
  /** Of the state. */
  readonly since: Date;
}

/** A vendor's certificate and what has become of it. */
export interface IssuedCertificate {
  /** Lower-case hex. */
  readonly serial: string;
  /** SHA-256 of `der`, lower-case hex. */
  readonly fingerprint: string;
  readonly vendorId: string;
  readonly assurance: Assurance;
  readonly issuer: AuthorityName;
  readonly der: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Where the record of its issuance is. */
  readonly logIndex: bigint;
  readonly entryId: string;
  readonly issuedAt: Date;
  /** As last decided; `revokedAt` is when it was first. */
  readonly revocation?: {
    readonly reason: RevocationReason;
    readonly revokedAt: Date;
    readonly invalidityDate?: Date;
    readonly entryId: string;
  };
}

/** A key that nobody gets a certificate for, whether or not it was ever certified. */
export interface BlockedKey {
  /** Of the decision that holds. */
  readonly sequence: bigint;
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly spkiSha256: string;
  readonly reason: RevocationReason;
  readonly since: Date;
  readonly entryId: string;
  /** Of its certificate, if it has one. */
  readonly serial?: string;
}

/** What a certificate will say, as logged before it is signed. */
export interface Precertificate {
  /** Lower-case hex. */
  readonly serial: string;
  /** TBSCertificate in DER, without SCTs. */
  readonly tbs: Uint8Array;
  readonly vendorId: string;
  readonly assurance: Assurance;
  readonly issuer: AuthorityName;
  /** SHA-256 of the SubjectPublicKeyInfo. */
  readonly spkiSha256: Uint8Array;
  readonly shard: number;
  /** Where the record that holds it is. */
  readonly logIndex: bigint;
  readonly entryId: string;
  /** To the millisecond. */
  readonly loggedAt: Date;
}

const REVOKED_AMONG = `FROM certificate c
  WHERE fingerprint = ANY($1::bytea[]) AND EXISTS (SELECT FROM revocation r WHERE (r.kind, r.target) IN
    (('certificate', c.serial), ('key', encode(c.spki_sha256, 'hex')), ('issuer', c.issuer)))`;

/** Reads certificates; lent to the log, to revocation and to the trust root. */
@Injectable()
export class CertificateReader {
  private known: { authorities: readonly Authority[]; latest: bigint; askedAt: number } | undefined;

  constructor(private readonly db: Db) {}

  /**
   * Every authority, oldest first; none before genesis. Without `tx` what was read within the last second will do, and the
   * array is the same one until something changes; within `tx` it is read as that transaction sees it.
   */
  async authorities(tx?: Tx): Promise<readonly Authority[]> {
    if (tx !== undefined) return this.readAuthorities(tx);
    const now = performance.now();
    if (this.known !== undefined && now - this.known.askedAt < KNOWN_FOR_MS) return this.known.authorities;
    const latest = await this.latestState();
    if (latest === 0n) return [];
    const authorities = this.known?.latest === latest ? this.known.authorities : await this.readAuthorities();
    this.known = { authorities, latest, askedAt: now };
    return authorities;
  }

  /** The next question is put to the database: something has changed here. */
  forgetAuthorities(): void {
    this.known = undefined;
  }

  async loadAuthority(name: AuthorityName, tx?: Tx): Promise<Authority> {
    const found = (await this.authorities(tx)).find((authority) => authority.name === name);
    if (found === undefined) throw new Error(`There is no authority ${name}: the registry had no genesis.`);
    return found;
  }

  /** The authority that signs now what its role signs. */
  async loadActive(role: AuthorityRole, tx?: Tx): Promise<Authority> {
    const found = (await this.authorities(tx)).find((one) => one.role === role && one.state === 'active');
    if (found === undefined) throw new Error(`There is no active authority of role ${role}.`);
    return found;
  }

  /** The CA above an authority, which may be that authority itself. No two have the same name. */
  async loadIssuerOf({ certificate: { issuer } }: Authority, tx?: Tx): Promise<Authority> {
    const found = (await this.authorities(tx)).find(({ certificate }) =>
      areEqualBytes(certificate.subject.der, issuer.der),
    );
    if (found === undefined) throw new Error('An authority was signed by a CA that is not here.');
    return found;
  }

  private async latestState(): Promise<bigint> {
    const [row] = await this.db.query<{ latest: string | null }>('SELECT max(sequence) AS latest FROM authority_state');
    return BigInt(row?.latest ?? 0);
  }

  private async readAuthorities(tx?: Tx): Promise<readonly Authority[]> {
    const rows = await this.read<AuthorityRow>(
      tx,
      `SELECT a.name, a.role, a.der, a.created_at, s.state, s.since
       FROM authority a JOIN LATERAL (
         SELECT state, since FROM authority_state WHERE name = a.name ORDER BY sequence DESC LIMIT 1) s ON true
       ORDER BY a.created_at, a.name`,
    );
    return rows.map(({ name, role, der: buffer, created_at: createdAt, state, since }) => {
      const der = Uint8Array.from(buffer);
      return { name, role, der, certificate: parseCertificate(der), createdAt, state, since };
    });
  }

  /** What signing certificates are judged against, whatever state its CA is in. */
  async trust(): Promise<{ anchors: Uint8Array[]; issuing: Uint8Array[] }> {
    const authorities = await this.authorities();
    const withRole = (role: AuthorityRole) => authorities.filter((a) => a.role === role).map(({ der }) => der);
    return { anchors: withRole('root'), issuing: withRole('issuing') };
  }

  /**
   * Where everybody fetches `path` (`/crl/…`, `/ca/…`): a plain http URL, as Notation wants it.
   *
   * Its host was fixed at genesis by the certificate of the first issuing CA. It must not follow PUBLIC_URL, since CRLs name
   * the URL that stands in the certificates they cover.
   */
  async publicationUrl(path: string, tx?: Tx): Promise<string> {
    const first = (await this.authorities(tx)).find(({ role }) => role === 'issuing');
    const crlUrl = first?.certificate.crlUrls[0];
    if (crlUrl === undefined) throw new Error('The certificate of the issuing CA names no CRL.');
    return `${crlUrl.slice(0, crlUrl.indexOf('/', 'http://'.length))}${path}`;
  }

  /** `serial` is hex in either case; it may come from a caller as it stands. */
  async findBySerial(serial: string, tx?: Tx): Promise<IssuedCertificate | undefined> {
    if (!/^[0-9a-f]{2,40}$/i.test(serial)) return undefined;
    const [row] = await this.read<CertificateRow>(tx, `${SELECT} WHERE c.serial = $1`, [serial.toLowerCase()]);
    return row && toCertificate(row);
  }

  async load(serial: string, tx?: Tx): Promise<IssuedCertificate> {
    const certificate = await this.findBySerial(serial, tx);
    if (certificate === undefined) {
      throw new CertificateFault('certificate/not-found', 'No certificate with this serial number was issued here.');
    }
    return certificate;
  }

  /** EntryID of the record that the certificate was issued; `fingerprint` is its SHA-256. */
  async findRecord(fingerprint: Uint8Array): Promise<string | undefined> {
    const [row] = await this.db.query<{ entry_id: string }>('SELECT entry_id FROM certificate WHERE fingerprint = $1', [
      Buffer.from(fingerprint),
    ]);
    return row?.entry_id;
  }

  /** A page of a vendor's certificates, newest first; `before` is the log index that the last page ended with. */
  async ofVendor(vendorId: string, limit: number, before?: bigint): Promise<IssuedCertificate[]> {
    const rows = await this.read<CertificateRow>(
      undefined,
      `${SELECT} WHERE c.vendor_id = $1 AND ($2::bigint IS NULL OR c.log_index < $2) ORDER BY c.log_index DESC LIMIT $3`,
      [vendorId, before?.toString() ?? null, limit],
    );
    return rows.map(toCertificate);
  }

  /** The next certificates whose record is at this index of the log or above, in the order of the log. */
  async serialsFrom(
    tx: Tx,
    index: number,
    limit: number,
  ): Promise<{ serial: string; issuer: AuthorityName; logIndex: number }[]> {
    const rows = await tx.query<{ serial: string; issuer: AuthorityName; log_index: string }[]>(
      'SELECT serial, issuer, log_index FROM certificate WHERE log_index >= $1 ORDER BY log_index LIMIT $2',
      [index, limit],
    );
    return rows.map(({ serial, issuer, log_index: logIndex }) => ({ serial, issuer, logIndex: Number(logIndex) }));
  }

  /** Which of these certificates are revoked, or their keys or issuers, for whatever reason; by hex of SHA-256. */
  async revokedAmong(tx: Tx, fingerprints: readonly Uint8Array[]): Promise<Set<string>> {
    const rows = await this.db.prepared<{ fingerprint: Buffer }>(tx, `SELECT fingerprint ${REVOKED_AMONG}`, [
      fingerprints.map((fingerprint) => Buffer.from(fingerprint)),
    ]);
    return new Set(rows.map((row) => encodeHex(row.fingerprint)));
  }

  /** Throws Unmet when any of these is {@link revokedAmong} them. */
  async insistOnNoneRevoked(tx: Tx, fingerprints: readonly Uint8Array[]): Promise<void> {
    await this.db.insist(tx, `NOT EXISTS (SELECT ${REVOKED_AMONG})`, [
      fingerprints.map((fingerprint) => Buffer.from(fingerprint)),
    ]);
  }

  /** Whether governance or the vendor has revoked the key itself, whoever holds it. Once is for good. */
  async revokedKeys(tx: Tx, keys: readonly Uint8Array[]): Promise<Set<string>> {
    const rows = await this.db.prepared<{ target: string }>(
      tx,
      `SELECT DISTINCT target FROM revocation WHERE kind = 'key' AND target = ANY($1)`,
      [keys.map((key) => encodeHex(key))],
    );
    return new Set(rows.map(({ target }) => target));
  }

  /**
   * A page of the keys that are in wrong hands or were forbidden by themselves, the latest decision first; `before` is the
   * sequence that the last page ended with.
   */
  async blockedKeys(limit: number, before?: bigint): Promise<BlockedKey[]> {
    const rows = await this.db.query<BlockedKeyRow>(
      `SELECT r.sequence, r.reason, r.revoked_at, r.entry_id, c.serial,
              CASE r.kind WHEN 'key' THEN r.target ELSE encode(c.spki_sha256, 'hex') END AS spki_sha256
       FROM current_revocation r LEFT JOIN certificate c
         ON (r.kind = 'certificate' AND c.serial = r.target) OR (r.kind = 'key' AND c.spki_sha256 = decode(r.target, 'hex'))
       WHERE (r.kind = 'key' OR (r.kind = 'certificate' AND r.reason = 'keyCompromise'))
         AND ($1::bigint IS NULL OR r.sequence < $1)
       ORDER BY r.sequence DESC LIMIT $2`,
      [before?.toString() ?? null, limit],
    );
    return rows.map(({ sequence, reason, revoked_at: since, entry_id: entryId, serial, spki_sha256: spkiSha256 }) => ({
      ...{ sequence: BigInt(sequence), spkiSha256, reason, since, entryId },
      ...(serial !== null && { serial }),
    }));
  }

  private read<Row>(tx: Tx | undefined, sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return tx === undefined ? this.db.query<Row>(sql, parameters) : tx.query<Row[]>(sql, [...parameters]);
  }
}

const KNOWN_FOR_MS = 1_000;

interface AuthorityRow {
  name: AuthorityName;
  role: AuthorityRole;
  der: Buffer;
  created_at: Date;
  state: AuthorityState;
  since: Date;
}

interface BlockedKeyRow {
  sequence: string;
  reason: RevocationReason;
  revoked_at: Date;
  entry_id: string;
  serial: string | null;
  spki_sha256: string;
}

interface CertificateRow {
  serial: string;
  fingerprint: Buffer;
  vendor_id: string;
  assurance: Assurance;
  issuer: AuthorityName;
  der: Buffer;
  not_before: Date;
  not_after: Date;
  log_index: string;
  entry_id: string;
  issued_at: Date;
  reason: RevocationReason | null;
  revoked_at: Date;
  invalidity_date: Date | null;
  revocation_entry_id: string;
}

const SELECT = `
  SELECT c.serial, c.fingerprint, c.vendor_id, c.assurance, c.issuer, c.der, c.not_before, c.not_after, c.log_index, c.entry_id,
         c.issued_at, r.reason, r.revoked_at, r.invalidity_date, r.entry_id AS revocation_entry_id
  FROM certificate c LEFT JOIN LATERAL (
    SELECT reason, min(revoked_at) OVER () AS revoked_at, invalidity_date, entry_id
    FROM revocation WHERE serial = c.serial ORDER BY sequence DESC LIMIT 1) r ON true`;

function toCertificate(row: CertificateRow): IssuedCertificate {
  return {
    serial: row.serial,
    fingerprint: encodeHex(row.fingerprint),
    vendorId: row.vendor_id,
    assurance: row.assurance,
    issuer: row.issuer,
    der: Uint8Array.from(row.der),
    notBefore: row.not_before,
    notAfter: row.not_after,
    logIndex: BigInt(row.log_index),
    entryId: row.entry_id,
    issuedAt: row.issued_at,
    ...(row.reason !== null && {
      revocation: {
        reason: row.reason,
        revokedAt: row.revoked_at,
        ...(row.invalidity_date && { invalidityDate: row.invalidity_date }),
        entryId: row.revocation_entry_id,
      },
    }),
  };
}
