import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Who moved the head of a log last: one run of one process. Another writer may move it only under a higher epoch, so that
 * a process that was stopped or cut off cannot go on where it left off. And a head of the same size has the same root.
 */
export class LogWriter0041 implements MigrationInterface {
  name = 'LogWriter1700000000041';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE log_head ADD COLUMN writer uuid;

      CREATE OR REPLACE FUNCTION refuse_shrinking_head() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP <> 'UPDATE' OR NEW.size < OLD.size OR NEW.epoch < OLD.epoch
             OR (NEW.size = OLD.size AND NEW.root <> OLD.root) THEN
            RAISE EXCEPTION 'the head of a log only grows';
          END IF;
          IF NEW.writer IS DISTINCT FROM OLD.writer AND NEW.epoch = OLD.epoch THEN
            RAISE EXCEPTION 'the head of a log only grows, and another writer needs a higher epoch';
          END IF;
          RETURN NEW;
        END
      $$;
    `);
  }

  async down(): Promise<void> {
    throw new Error('The log is append-only; restore a backup instead.');
  }
}
