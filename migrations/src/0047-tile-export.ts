import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How far the log's public files have been put into a directory or a bucket. Each place has a row of its own. */
export class TileExport0047 implements MigrationInterface {
  name = 'TileExport1700000000047';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE tile_export (
        log_id       smallint NOT NULL REFERENCES log,
        store        text     NOT NULL,
        -- All full tiles and bundles of a tree of this size are there, durably.
        covered      bigint   NOT NULL DEFAULT 0 CHECK (covered >= 0),
        -- Of the checkpoint last put there.
        size         bigint   NOT NULL DEFAULT 0 CHECK (size >= 0),
        -- Partial tiles whose full tile lies below this size are gone; settled is the size to go on to.
        pruned       bigint   NOT NULL DEFAULT 0 CHECK (pruned >= 0),
        settled      bigint   NOT NULL DEFAULT 0 CHECK (settled >= pruned),
        pruned_at    timestamptz,
        PRIMARY KEY (log_id, store)
      );

      CREATE FUNCTION refuse_shrinking_export() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF NEW.covered < OLD.covered OR NEW.size < OLD.size OR NEW.pruned < OLD.pruned
             OR NEW.settled < OLD.settled THEN
            RAISE EXCEPTION 'the export of a log only grows';
          END IF;
          RETURN NEW;
        END
      $$;
      CREATE TRIGGER tile_export_only_grows BEFORE UPDATE ON tile_export
        FOR EACH ROW EXECUTE FUNCTION refuse_shrinking_export();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Migrations of the log are forward-only; restore a backup instead.');
  }
}
