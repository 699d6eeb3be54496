import { Injectable } from '@nestjs/common';
import { Db, type Tx } from '../../db/db.ts';
import { LogKeyStore } from '../keys/log-key.store.ts';
import type { LogKey } from '../keys/log-key.ts';
import { ServedLog } from '../served-log.ts';

/** `closed` is of the first log: it takes no more statements, and records on and on. */
export type LogState = 'active' | 'closed' | 'frozen' | 'retired';

/** A log as its row says. */
export interface LogRecord {
  readonly log: ServedLog;
  readonly state: LogState;
  readonly size: bigint;
  readonly openedAt: Date;
  readonly closedAt?: Date;
  readonly frozenAt?: Date;
  readonly retiredAt?: Date;
}

interface LogRow {
  id: number;
  name: string | null;
  origin: string;
  state: Exclude<LogState, 'closed'>;
  size: string;
  opened_at: Date;
  closed_at: Date | null;
  frozen_at: Date | null;
  retired_at: Date | null;
}

/** The logs of a registry, oldest first. Statements that name none go to the oldest that takes them. */
@Injectable()
export class LogsReader {
  constructor(
    private readonly db: Db,
    private readonly keys: LogKeyStore,
  ) {}

  async all(tx?: Tx): Promise<LogRecord[]> {
    const sql = 'SELECT log.*, head.size FROM log JOIN log_head head ON head.log_id = log.id ORDER BY log.id';
    const rows = tx ? ((await tx.query(sql)) as LogRow[]) : await this.db.query<LogRow>(sql);
    return rows.map(toRecord);
  }

  async withKeys(tx?: Tx): Promise<(LogRecord & { readonly keys: readonly LogKey[] })[]> {
    const logs = await this.all(tx);
    return Promise.all(
      logs.map(async (record) => ({ ...record, keys: (await this.keys.find(record.log.id, tx))?.keys ?? [] })),
    );
  }

  /** As the row is now; nothing for a log that is not there. */
  async find(logId: number, tx?: Tx): Promise<LogRecord | undefined> {
    return (await this.all(tx)).find(({ log }) => log.id === logId);
  }

  /** What a retired log shows for ever, as it was last signed; nothing for one that is not retired. */
  async findFinal(logId: number): Promise<(FinalHead & { readonly committedAt: Date }) | undefined> {
    const [row] = await this.db.query<FinalRow>(
      `SELECT final_checkpoint, final_signed_root, head.committed_at FROM log JOIN log_head head ON head.log_id = log.id
       WHERE log.id = $1 AND retired_at IS NOT NULL`,
      [logId],
    );
    if (!row) return undefined;
    const { final_checkpoint: checkpoint, final_signed_root: signedRoot, committed_at: committedAt } = row;
    return { checkpoint: plain(checkpoint), signedRoot: plain(signedRoot), committedAt };
  }

  /** Which of these logs holds the entry (32 bytes); the newest, where several do. */
  async findHolder(entry: Uint8Array, logIds: readonly number[]): Promise<number | undefined> {
    const [row] = await this.db.query<{ log_id: number }>(
      'SELECT log_id FROM log_entry WHERE log_id = ANY($1) AND entry = $2 ORDER BY log_id DESC LIMIT 1',
      [logIds, Buffer.from(entry)],
    );
    return row?.log_id;
  }
}

/** The log that takes statements which name none: the oldest active one. */
export function currentOf(logs: readonly LogRecord[]): LogRecord | undefined {
  return logs.find(({ state }) => state === 'active');
}

/** A checkpoint (C2SP signed note) and the signed root (COSE) of one size. */
export interface FinalHead {
  readonly checkpoint: Uint8Array;
  readonly signedRoot: Uint8Array;
}

interface FinalRow {
  final_checkpoint: Buffer;
  final_signed_root: Buffer;
  committed_at: Date;
}

function plain(bytes: Buffer): Uint8Array {
  return new Uint8Array(bytes);
}

function toRecord(row: LogRow): LogRecord {
  return {
    log: new ServedLog(row.id, row.name ?? undefined, row.origin),
    state: row.closed_at ? 'closed' : row.state,
    size: BigInt(row.size),
    openedAt: row.opened_at,
    ...(row.closed_at && { closedAt: row.closed_at }),
    ...(row.frozen_at && { frozenAt: row.frozen_at }),
    ...(row.retired_at && { retiredAt: row.retired_at }),
  };
}
