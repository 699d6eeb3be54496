import { Injectable } from '@nestjs/common';
import { Db, type Tx } from '../../db/db.ts';
import { LogKeyStore } from '../keys/log-key.store.ts';
import type { LogKey } from '../keys/log-key.ts';
import { ServedLog } from '../served-log.ts';

export type LogState = 'active' | 'frozen' | 'retired';

/** A log as its row says. */
export interface LogRecord {
  readonly log: ServedLog;
  readonly state: LogState;
  readonly size: bigint;
  readonly openedAt: Date;
  readonly frozenAt?: Date;
  readonly retiredAt?: Date;
  readonly successor?: number;
}

interface LogRow {
  id: number;
  name: string | null;
  origin: string;
  state: LogState;
  size: string;
  opened_at: Date;
  frozen_at: Date | null;
  retired_at: Date | null;
  successor: number | null;
}

/** The logs of a registry, oldest first. Statements go to the oldest that is active. */
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

  async withKeys(): Promise<(LogRecord & { readonly keys: readonly LogKey[] })[]> {
    const logs = await this.all();
    return Promise.all(
      logs.map(async (record) => ({ ...record, keys: (await this.keys.find(record.log.id))?.keys ?? [] })),
    );
  }
}

/** The log that takes statements. */
export function currentOf(logs: readonly LogRecord[]): LogRecord | undefined {
  return logs.find(({ state }) => state === 'active');
}

function toRecord(row: LogRow): LogRecord {
  return {
    log: new ServedLog(row.id, row.name ?? undefined, row.origin),
    state: row.state,
    size: BigInt(row.size),
    openedAt: row.opened_at,
    ...(row.frozen_at && { frozenAt: row.frozen_at }),
    ...(row.retired_at && { retiredAt: row.retired_at }),
    ...(row.successor !== null && { successor: row.successor }),
  };
}
