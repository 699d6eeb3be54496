import { Injectable } from '@nestjs/common';
import { Db } from '../db/db.ts';

export interface CanaryNote {
  readonly lookedAt: Date;
  readonly nextShard: number;
  /** Outputs that grow old, as sentences. */
  readonly old: readonly string[];
  /** Outputs that could not be fetched or do not hold. */
  readonly wrong: readonly string[];
}

/** What the canary saw last, for every process. */
@Injectable()
export class CanaryStore {
  constructor(private readonly db: Db) {}

  async find(): Promise<CanaryNote | undefined> {
    const [row] = await this.db.query<{ looked_at: Date; next_shard: number; old: string[]; wrong: string[] }>(
      'SELECT * FROM canary',
    );
    return row && { lookedAt: row.looked_at, nextShard: row.next_shard, old: row.old, wrong: row.wrong };
  }

  async note({ lookedAt, nextShard, old, wrong }: CanaryNote): Promise<void> {
    await this.db.transaction((tx) =>
      tx.query(
        `INSERT INTO canary (looked_at, next_shard, old, wrong) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET looked_at = excluded.looked_at, next_shard = excluded.next_shard, old = excluded.old,
           wrong = excluded.wrong`,
        [lookedAt, nextShard, old, wrong],
      ),
    );
  }
}
