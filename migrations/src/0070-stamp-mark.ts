import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The latest time that any replica has stamped: a clock that was set back while nobody ran is seen by it. */
export class StampMark0070 implements MigrationInterface {
  name = 'StampMark1700000000070';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE stamp_mark (
        only_row boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
        latest   timestamptz NOT NULL
      );
    `);
  }

  async down(): Promise<void> {
    throw new Error('The mark of time stamps is not taken back; restore a backup instead.');
  }
}
