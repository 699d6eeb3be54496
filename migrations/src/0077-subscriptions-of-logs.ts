import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A subscription is to one log: positions are indices there. Those that there are are to the first one. */
export class SubscriptionsOfLogs0077 implements MigrationInterface {
  name = 'SubscriptionsOfLogs1700000000077';

  async up(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE log_subscription ADD COLUMN log_id smallint NOT NULL DEFAULT 1 REFERENCES log');
  }

  async down(): Promise<void> {
    throw new Error('Migrations are forward-only; restore a backup instead.');
  }
}
