import { Injectable } from '@nestjs/common';
import { Db } from '../../db/db.ts';

/** The latest time stamped, by whichever replica; one row. */
@Injectable()
export class StampMarkStore {
  constructor(private readonly db: Db) {}

  /** The mark, and what the database's clock says now. */
  async read(): Promise<{ readonly latest: Date | undefined; readonly now: Date }> {
    const [row] = await this.db.query<{ latest: Date | null; now: Date }>(
      'SELECT clock_timestamp() AS now, (SELECT latest FROM stamp_mark) AS latest',
    );
    if (row === undefined) throw new Error('The database does not tell the time.');
    return { latest: row.latest ?? undefined, now: row.now };
  }

  /** Moves the mark forward; never back. */
  async raise(latest: Date): Promise<void> {
    await this.db.query(
      `INSERT INTO stamp_mark (latest) VALUES ($1)
       ON CONFLICT (only_row) DO UPDATE SET latest = excluded.latest WHERE stamp_mark.latest < excluded.latest`,
      [latest],
    );
  }
}
