import { Injectable } from '@nestjs/common';
import { LOG_KEY_PURPOSES, type LogKeyPurpose } from '@margo-trust/auditor';
import { CONTENT } from '@margo-trust/statement';
import { Db, type Tx } from '../../db/db.ts';
import type { LogKey } from './log-key.ts';

/** The keys of a log, and how much of it they are known for. */
export interface KnownKeys {
  readonly keys: readonly LogKey[];
  /** Of the head that was committed then: no record beyond it is known, and none before it is missing. */
  readonly size: bigint;
  readonly keyIndex: bigint;
}

interface KeyRow {
  log_id: number;
  purpose: LogKeyPurpose;
  spki: Buffer;
  from_size: string;
  until_size: string | null;
  event_index: string | null;
  since: Date;
  retired_at: Date | null;
  transition: Buffer | null;
}

/** The table of public keys. What writes takes the caller's transaction, which holds the head of the log. */
@Injectable()
export class LogKeyStore {
  constructor(private readonly db: Db) {}

  /** Undefined for a log that is not there. In a transaction, what that transaction sees. */
  async find(logId: number, tx?: Tx): Promise<KnownKeys | undefined> {
    const rows = await this.query<{ size: string; key_index: string } & { [K in keyof KeyRow]: KeyRow[K] | null }>(
      `SELECT head.size, head.key_index, key.* FROM log_head head LEFT JOIN log_key key USING (log_id)
       WHERE head.log_id = $1 ORDER BY key.from_size`,
      [logId],
      tx,
    );
    const [first] = rows;
    if (!first) return undefined;
    const keys = rows.flatMap((row) => (row.spki === null ? [] : [toKey(row as KeyRow)]));
    return { keys, size: BigInt(first.size), keyIndex: BigInt(first.key_index) };
  }

  /** Every key of every log with one of these purposes. */
  async findAll(purposes: readonly LogKeyPurpose[] = LOG_KEY_PURPOSES): Promise<LogKey[]> {
    const rows = await this.query<KeyRow>(
      'SELECT * FROM log_key WHERE purpose = ANY($1) ORDER BY log_id, from_size, purpose',
      [purposes],
    );
    return rows.map(toKey);
  }

  /** What the second entry of a log says: the trust anchors, and the keys that it began with. */
  async findAnchors(tx: Tx, logId: number): Promise<LoggedRecord | undefined> {
    const [row] = await this.query<RecordRow>(`${RECORDS} WHERE e.log_id = $1 AND e.index = 1`, [logId], tx);
    return row && toRecord(row);
  }

  /** The registry's statements about keys of a log, in order. Reads all of it. */
  async findKeyStatements(tx: Tx, logId: number, origin: string): Promise<LoggedRecord[]> {
    const rows = await this.query<RecordRow>(
      `${RECORDS} WHERE e.log_id = $1 AND e.subject = $2 AND e.content_type = $3 AND e.certificate IS NULL ORDER BY e.index`,
      [logId, `log-key:${origin}`, CONTENT.record],
      tx,
    );
    return rows.map(toRecord);
  }

  /** Keys that a log is opened with. */
  async insertFirst(tx: Tx, logId: number, spkis: ReadonlyMap<LogKeyPurpose, Uint8Array>, since: Date): Promise<void> {
    for (const purpose of LOG_KEY_PURPOSES) {
      const spki = spkis.get(purpose);
      if (spki) await this.insert(tx, logId, { purpose, spki, fromSize: 0n, since });
    }
  }

  /** A key that follows the one in force, if there is one, from the record at `key.eventIndex` on. */
  async replace(tx: Tx, logId: number, key: LogKey & { readonly eventIndex: bigint }): Promise<void> {
    await tx.query(
      `UPDATE log_key SET until_size = $3, retired_at = $4 WHERE log_id = $1 AND purpose = $2 AND until_size IS NULL`,
      [logId, key.purpose, key.fromSize.toString(), key.since],
    );
    await this.insert(tx, logId, key);
    await tx.query('UPDATE log_head SET key_index = greatest(key_index, $2) WHERE log_id = $1', [
      logId,
      key.eventIndex.toString(),
    ]);
  }

  /** Checkpoint keys whose transition nobody has kept yet. */
  async findUnproven(logId: number): Promise<LogKey[]> {
    const rows = await this.query<KeyRow>(
      `SELECT * FROM log_key WHERE log_id = $1 AND purpose IN ('checkpoint', 'checkpoint-ml-dsa-44')
       AND event_index IS NOT NULL AND transition IS NULL ORDER BY from_size`,
      [logId],
    );
    return rows.map(toKey);
  }

  /** Keeps the first transition that is offered; they all say the same. */
  async keepTransition(tx: Tx, logId: number, { purpose, fromSize }: LogKey, note: Uint8Array): Promise<void> {
    await tx.query(
      `UPDATE log_key SET transition = $4
       WHERE log_id = $1 AND purpose = $2 AND from_size = $3 AND transition IS NULL`,
      [logId, purpose, fromSize.toString(), Buffer.from(note)],
    );
  }

  private async insert(tx: Tx, logId: number, key: LogKey): Promise<void> {
    await tx.query(
      `INSERT INTO log_key (log_id, purpose, spki, from_size, event_index, since) VALUES ($1, $2, $3, $4, $5, $6)`,
      [
        logId,
        key.purpose,
        Buffer.from(key.spki),
        key.fromSize.toString(),
        key.eventIndex === undefined ? null : key.eventIndex.toString(),
        key.since,
      ],
    );
  }

  private query<Row>(sql: string, parameters: readonly unknown[], tx?: Tx): Promise<Row[]> {
    return tx ? (tx.query(sql, [...parameters]) as Promise<Row[]>) : this.db.query<Row>(sql, parameters);
  }
}

/** A statement of the registry as it was logged. */
export interface LoggedRecord {
  readonly index: bigint;
  readonly body: Uint8Array;
  readonly at: Date;
}

interface RecordRow {
  index: string;
  body: Buffer;
  registered_at: Date;
}

const RECORDS = 'SELECT e.index, e.registered_at, s.body FROM log_entry e JOIN statement s ON s.entry = e.entry';

function toRecord({ index, body, registered_at: at }: RecordRow): LoggedRecord {
  return { index: BigInt(index), body: new Uint8Array(body), at };
}

function toKey(row: KeyRow): LogKey {
  return {
    purpose: row.purpose,
    spki: new Uint8Array(row.spki),
    fromSize: BigInt(row.from_size),
    ...(row.until_size !== null && { untilSize: BigInt(row.until_size) }),
    ...(row.event_index !== null && { eventIndex: BigInt(row.event_index) }),
    since: row.since,
    ...(row.retired_at && { retiredAt: row.retired_at }),
    ...(row.transition && { transition: new Uint8Array(row.transition) }),
  };
}
