import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Evidence in tile stores. A bundle none of whose statements is withheld lies under its plain name; one of which some are,
 * under a name that says which. `evidence_file` has the bundles for which that ever mattered, and the names that may have files.
 */
export class EvidenceExport0064 implements MigrationInterface {
  name = 'EvidenceExport1700000000064';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- All full bundles of evidence of a tree of this size are there, durably.
      ALTER TABLE tile_export ADD COLUMN evidence bigint NOT NULL DEFAULT 0 CHECK (evidence >= 0);

      CREATE TABLE evidence_file (
        log_id     smallint NOT NULL REFERENCES log,
        store      text     NOT NULL,
        bundle     bigint   NOT NULL CHECK (bundle >= 0),
        -- Which of its statements are withheld; empty: none.
        revision   text     NOT NULL,
        -- Whether readers are pointed to it.
        is_current boolean  NOT NULL DEFAULT false,
        PRIMARY KEY (log_id, store, bundle, revision)
      );
      CREATE UNIQUE INDEX evidence_file_current ON evidence_file (log_id, store, bundle) WHERE is_current;
    `);
  }

  async down(): Promise<void> {
    throw new Error('Migrations of the log are forward-only; restore a backup instead.');
  }
}
