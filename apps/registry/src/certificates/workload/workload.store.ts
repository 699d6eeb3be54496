import { Injectable } from '@nestjs/common';
import { Db, type Tx } from '../../db/db.ts';
import type { WorkloadRule } from '@margo-trust/policy';

/** A vendor's word that the builds which an issuer calls so may have certificates of it. */
export interface WorkloadBinding extends WorkloadRule {
  readonly id: string;
  readonly vendorId: string;
  /** What other claims of the token must be, to the letter. */
  readonly claims: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  /** EntryID of its record. */
  readonly entryId: string;
}

/** Bindings, and the tokens that have been exchanged. */
@Injectable()
export class WorkloadStore {
  constructor(private readonly db: Db) {}

  /** Those in force, oldest first. */
  async ofVendor(vendorId: string, tx?: Tx): Promise<WorkloadBinding[]> {
    return this.read(tx, 'WHERE vendor_id = $1 AND removed_at IS NULL ORDER BY log_index', [vendorId]);
  }

  /** Those in force whose subject may mean this one: which do, the caller says. */
  async candidates(issuer: string, subject: string): Promise<WorkloadBinding[]> {
    return this.read(
      undefined,
      `WHERE issuer = $1 AND removed_at IS NULL AND starts_with($2, split_part(subject, '*', 1)) ORDER BY log_index`,
      [issuer, subject],
    );
  }

  async isInForce(tx: Tx, id: string): Promise<boolean> {
    const rows = await tx.query<unknown[]>('SELECT FROM workload_binding WHERE id = $1 AND removed_at IS NULL', [id]);
    return rows.length > 0;
  }

  async insert(tx: Tx, binding: WorkloadBinding & { logIndex: bigint }): Promise<void> {
    const { id, vendorId, issuer, subject, claims, createdAt, logIndex, entryId } = binding;
    await tx.query(
      `INSERT INTO workload_binding (id, vendor_id, issuer, subject, claims, created_at, log_index, entry_id)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [id, vendorId, issuer, subject, JSON.stringify(claims), createdAt, logIndex.toString(), entryId],
    );
  }

  /** Ends a binding that is in force; false when none was. */
  async remove(tx: Tx, id: string, removedAt: Date, removalEntryId: string): Promise<boolean> {
    const [, count] = await tx.query<[unknown, number]>(
      'UPDATE workload_binding SET removed_at = $2, removal_entry_id = $3 WHERE id = $1 AND removed_at IS NULL',
      [id, removedAt, removalEntryId],
    );
    return count > 0;
  }

  /** Serial number of the certificate that a token was exchanged for, whose key is `spkiSha256`; undefined while there is none. */
  async findExchange(token: Uint8Array): Promise<{ spkiSha256: Uint8Array; serial?: string } | undefined> {
    const [row] = await this.db.query<{ spki_sha256: Buffer; serial: string | null }>(
      `SELECT t.spki_sha256, c.serial FROM workload_token t LEFT JOIN certificate c USING (spki_sha256)
       WHERE token_sha256 = $1`,
      [Buffer.from(token)],
    );
    return row && { spkiSha256: Uint8Array.from(row.spki_sha256), ...(row.serial !== null && { serial: row.serial }) };
  }

  /**
   * Notes that a token goes to a key; false when it has gone to another one. Tokens that have expired need no memory, so this
   * forgets some of them.
   */
  async spendToken(tx: Tx, token: Uint8Array, spkiSha256: Uint8Array, expiresAt: Date, now: Date): Promise<boolean> {
    await tx.query(
      `DELETE FROM workload_token WHERE token_sha256 IN
         (SELECT token_sha256 FROM workload_token WHERE expires_at < $1 LIMIT 100 FOR UPDATE SKIP LOCKED)`,
      [now],
    );
    await tx.query(
      'INSERT INTO workload_token (token_sha256, spki_sha256, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
      [Buffer.from(token), Buffer.from(spkiSha256), expiresAt],
    );
    const rows = await tx.query<unknown[]>('SELECT FROM workload_token WHERE token_sha256 = $1 AND spki_sha256 = $2', [
      Buffer.from(token),
      Buffer.from(spkiSha256),
    ]);
    return rows.length > 0;
  }

  private async read(tx: Tx | undefined, where: string, parameters: readonly unknown[]): Promise<WorkloadBinding[]> {
    const sql = `SELECT id, vendor_id, issuer, subject, claims, created_at, entry_id FROM workload_binding ${where}`;
    const rows = await (tx === undefined
      ? this.db.query<BindingRow>(sql, parameters)
      : tx.query<BindingRow[]>(sql, [...parameters]));
    return rows.map(({ vendor_id: vendorId, created_at: createdAt, entry_id: entryId, ...same }) => ({
      ...same,
      vendorId,
      createdAt,
      entryId,
    }));
  }
}

interface BindingRow {
  id: string;
  vendor_id: string;
  issuer: string;
  subject: string;
  claims: Record<string, string>;
  created_at: Date;
  entry_id: string;
}
