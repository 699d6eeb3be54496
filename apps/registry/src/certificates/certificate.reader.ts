import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import { Db, type Tx } from '../db/db.ts';

export type AuthorityRole = 'root' | 'issuing' | 'tsa-ca' | 'tsa';

/** A CA or time-stamping authority of the registry. `name` is how paths and trust roots call it. */
export interface Authority {
  readonly name: string;
  readonly role: AuthorityRole;
  readonly der: Uint8Array;
  readonly createdAt: Date;
}

/** Reads certificates; lent to the log and the trust root. */
@Injectable()
export class CertificateReader {
  private known: readonly Authority[] = [];

  constructor(private readonly db: Db) {}

  /** Every authority, oldest first. Rows are never changed, so they are read once there are any. */
  async authorities(): Promise<readonly Authority[]> {
    if (this.known.length > 0) return this.known;
    const rows = await this.db.query<{ name: string; role: AuthorityRole; der: Buffer; created_at: Date }>(
      'SELECT name, role, der, created_at FROM authority ORDER BY created_at, name',
    );
    this.known = rows.map((row) => ({
      name: row.name,
      role: row.role,
      der: Uint8Array.from(row.der),
      createdAt: row.created_at,
    }));
    return this.known;
  }

  /** What signing certificates are judged against. */
  async trust(): Promise<{ anchors: Uint8Array[]; issuing: Uint8Array[] }> {
    const authorities = await this.authorities();
    const withRole = (role: AuthorityRole) => authorities.filter((a) => a.role === role).map(({ der }) => der);
    return { anchors: withRole('root'), issuing: withRole('issuing') };
  }

  /** Which of these certificates are revoked, for whatever reason; by hex of SHA-256. */
  async revokedAmong(tx: Tx, fingerprints: readonly Uint8Array[]): Promise<Set<string>> {
    const rows = await tx.query<{ fingerprint: Buffer }[]>(
      `SELECT fingerprint FROM certificate
       WHERE fingerprint = ANY($1) AND EXISTS (SELECT FROM revocation r WHERE r.serial = certificate.serial)`,
      [fingerprints.map((fingerprint) => Buffer.from(fingerprint))],
    );
    return new Set(rows.map((row) => encodeHex(row.fingerprint)));
  }
}
