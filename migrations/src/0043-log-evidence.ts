import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The way from an entry to what it speaks of, which `/log/evidence` takes 256 entries at a time.
 *
 * Mentions lie on the disk in the order of their entries, so a block range index of a few bytes per megabyte finds them and
 * costs a registration nothing.
 */
export class LogEvidence0043 implements MigrationInterface {
  name = 'LogEvidence1700000000043';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE INDEX log_mention_index ON log_mention USING brin (index) WITH (pages_per_range = 16, autosummarize = on);
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP INDEX log_mention_index');
  }
}
