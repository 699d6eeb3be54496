import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the canary saw last of the outputs that the registry publishes. One row at most. */
export class Canary0069 implements MigrationInterface {
  name = 'Canary1700000000069';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE canary (
        id         boolean     PRIMARY KEY DEFAULT true CHECK (id),
        looked_at  timestamptz NOT NULL,
        -- The shard of the CRL that comes next.
        next_shard smallint    NOT NULL CHECK (next_shard BETWEEN 0 AND 127),
        -- Outputs that grow old, and outputs that could not be fetched or do not hold, as sentences.
        old        text[]      NOT NULL,
        wrong      text[]      NOT NULL
      );
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE canary');
  }
}
