import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The checkpoint that witnesses have cosigned and that everybody is shown: one for each log, and it only grows. */
export class CosignedCheckpoint0045 implements MigrationInterface {
  name = 'CosignedCheckpoint1700000000045';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE log_checkpoint (
        log_id       smallint    PRIMARY KEY REFERENCES log,
        size         bigint      NOT NULL CHECK (size >= 0),
        root         bytea       NOT NULL CHECK (octet_length(root) = 32),
        committed_at timestamptz NOT NULL,
        -- The signed note with all its cosignatures, as it is served.
        note         bytea       NOT NULL,
        has_quorum   boolean     NOT NULL,
        cosigned_at  timestamptz NOT NULL
      );
      CREATE FUNCTION refuse_smaller_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP <> 'UPDATE' OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root) THEN
            RAISE EXCEPTION 'a published checkpoint only grows';
          END IF;
          RETURN NEW;
        END
      $$;
      CREATE TRIGGER log_checkpoint_only_grows BEFORE UPDATE OR DELETE ON log_checkpoint
        FOR EACH ROW EXECUTE FUNCTION refuse_smaller_checkpoint();
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE log_checkpoint; DROP FUNCTION refuse_smaller_checkpoint()');
  }
}
