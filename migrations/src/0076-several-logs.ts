import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Several logs: the first one is where trust is granted and removed, the others take statements.
 *
 * What a statement was admitted by is on record in the first log. So the others say, entry by entry, how much of the first they
 * rest on: `governance_size` is what the last record about that says, and their writers compare it with the first log's head,
 * which they hold meanwhile.
 *
 * `log_head.closed` is of the first log, and lies beside `frozen` for the same reason: it takes records on and on, and no more statements.
 */
export class SeveralLogs0076 implements MigrationInterface {
  name = 'SeveralLogs1700000000076';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE log_head
        ADD COLUMN governance_size bigint NOT NULL DEFAULT 0 CHECK (governance_size >= 0),
        ADD COLUMN closed boolean NOT NULL DEFAULT false CHECK (NOT closed OR log_id = 1);
      ALTER TABLE log
        DROP COLUMN successor,
        ADD COLUMN closed_at timestamptz CHECK (closed_at IS NULL OR id = 1),
        ADD CHECK ((id = 1) = (name IS NULL)),
        ADD CHECK (id <> 1 OR state = 'active');
    `);
  }

  async down(): Promise<void> {
    throw new Error('Logs are named in receipts; restore a backup instead.');
  }
}
