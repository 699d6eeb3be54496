import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import type { RevocationReason } from '@margo-trust/wire';
import type { AuthorityName } from '../certificates/certificate.reader.ts';
import { Db, type Tx } from '../db/db.ts';

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

/** Reads revocations; lent to the trust root. Within `tx` everything is seen as that transaction sees it. */
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

  /** Every revoked certificate, in the order in which they were first revoked, and the decision this list ends with. */
  async list(tx?: Tx): Promise<{ sequence: bigint; certificates: CurrentRevocation[] }> {
    // One statement, so that list and sequence belong together.
    const rows = await this.read<RevocationRow>(
      tx,
      `SELECT * FROM (
         SELECT DISTINCT ON (r.serial) r.serial, c.fingerprint, c.issuer, c.shard, r.reason, r.invalidity_date,
                r.log_index, r.entry_id, r.sequence, min(r.sequence) OVER s AS first, min(r.revoked_at) OVER s AS revoked_at
         FROM revocation r JOIN certificate c ON c.serial = r.serial
         WINDOW s AS (PARTITION BY r.serial)
         ORDER BY r.serial, r.sequence DESC) latest
       ORDER BY first`,
    );
    const sequence = rows.reduce((latest, row) => (BigInt(row.sequence) > latest ? BigInt(row.sequence) : latest), 0n);
    return { sequence, certificates: rows.map(toRevocation) };
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

  private read<Row>(tx: Tx | undefined, sql: string): Promise<Row[]> {
    return tx === undefined ? this.db.query<Row>(sql) : tx.query<Row[]>(sql);
  }
}

interface RevocationRow {
  serial: string;
  fingerprint: Buffer;
  issuer: AuthorityName;
  shard: number;
  reason: RevocationReason;
  revoked_at: Date;
  invalidity_date: Date | null;
  log_index: string;
  entry_id: string;
  sequence: string;
}

interface CrlRow {
  ca: AuthorityName;
  shard: number;
  number: string;
  this_update: Date;
  next_update: Date;
  sequence: string;
}

function toRevocation(row: RevocationRow): CurrentRevocation {
  return {
    serial: row.serial,
    fingerprint: encodeHex(row.fingerprint),
    issuer: row.issuer,
    shard: row.shard,
    reason: row.reason,
    revokedAt: row.revoked_at,
    ...(row.invalidity_date && { invalidityDate: row.invalidity_date }),
    logIndex: BigInt(row.log_index),
    entryId: row.entry_id,
  };
}
