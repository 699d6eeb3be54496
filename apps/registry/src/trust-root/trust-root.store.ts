import { Injectable } from '@nestjs/common';
import type { Tx } from '../db/db.ts';
import { type CurrentRow, type CurrentTrustRoot, toCurrent, type TufRole } from './trust-root.reader.ts';

/** A signed metadata file. */
export interface TufFile {
  readonly role: TufRole;
  readonly version: number;
  readonly expires: Date;
  readonly bytes: Uint8Array;
}

/** Milliseconds of a publisher that does nothing, as of a worker (worker.ts). */
const STANDS_STILL = '20000';

/** Writes the trust root. Every method takes the caller's transaction; no version is ever used twice. */
@Injectable()
export class TrustRootStore {
  /**
   * Holds what is current until the transaction ends: one publisher at a time, in whatever process; and not for long, if that stands
   * still.
   */
  async lockCurrent(tx: Tx): Promise<CurrentTrustRoot | undefined> {
    await tx.query(`SELECT set_config('idle_in_transaction_session_timeout', $1, true)`, [STANDS_STILL]);
    const [row] = await tx.query<CurrentRow[]>('SELECT * FROM tuf_current FOR UPDATE');
    return row && toCurrent(row);
  }

  async insertMetadata(tx: Tx, { role, version, expires, bytes }: TufFile, publishedAt: Date): Promise<void> {
    await tx.query(
      'INSERT INTO tuf_metadata (role, version, bytes, expires, published_at) VALUES ($1, $2, $3, $4, $5)',
      [role, version, Buffer.from(bytes), expires, publishedAt],
    );
  }

  /** Once, at genesis. */
  async insertCurrent(tx: Tx, { root, targets }: { root: number; targets: number }): Promise<void> {
    await tx.query('INSERT INTO tuf_current (root, targets) VALUES ($1, $2)', [root, targets]);
  }

  /** Under {@link lockCurrent}, as is {@link moveCurrent}. */
  async moveTargets(tx: Tx, version: number): Promise<void> {
    await tx.query('UPDATE tuf_current SET targets = $1', [version]);
  }

  async moveCurrent(tx: Tx, next: Omit<CurrentTrustRoot, 'root' | 'targets'>): Promise<void> {
    await tx.query(
      'UPDATE tuf_current SET live = $1, snapshot = $2, timestamp = $3, made_from = $4, published_at = $5',
      [next.live, next.snapshot, next.timestamp, next.madeFrom, next.publishedAt],
    );
  }

  /** Kept records of admissions, by EntryID. */
  async admissions(tx: Tx, entryIds: readonly string[]): Promise<Map<string, Uint8Array>> {
    const rows = await tx.query<{ entry_id: string; statement: Buffer }[]>(
      'SELECT entry_id, statement FROM tuf_admission WHERE entry_id = ANY($1)',
      [[...entryIds]],
    );
    return new Map(rows.map(({ entry_id: entryId, statement }) => [entryId, Uint8Array.from(statement)]));
  }

  async insertAdmission(tx: Tx, entryId: string, statement: Uint8Array): Promise<void> {
    await tx.query('INSERT INTO tuf_admission (entry_id, statement) VALUES ($1, $2)', [
      entryId,
      Buffer.from(statement),
    ]);
  }
}
