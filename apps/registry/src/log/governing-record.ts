import type { Tx } from '../db/db.ts';
import type { AppendRecord, LoggedRecord, RegistryRecord } from './append-record.ts';

/** What another log than the first puts on record in the first one. The roof knows both. */
export class GoverningRecord {
  constructor(private readonly first: AppendRecord | undefined) {}

  /** After the log's own head was taken, if it is: whoever holds both takes them in this order. See `GovernanceSeen`. */
  run(tx: Tx, record: RegistryRecord): Promise<LoggedRecord> {
    if (!this.first) throw new Error('The first log has its records in itself.');
    return this.first.run(tx, record);
  }
}
