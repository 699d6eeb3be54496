import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Logs as rows: where each is served, what it signs with, and who comes after it.
 *
 * Keys here are public ones. Which of them signs a tree of some size is decided by records in the log itself, and these rows
 * are what those records say: they can be read out of the log again. `log_head.key_index` says where the last of them is, so
 * that whoever holds a head knows whether it knows the keys of it.
 *
 * `log_head.frozen` lies beside the head because whoever waits for the head's lock sees that row as it is then, and no other.
 */
export class LogKeys0061 implements MigrationInterface {
  name = 'LogKeys1700000000061';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE log
        -- Served at /logs/<name>/; the first log has none and is served at /log/.
        ADD COLUMN name       text UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,30}$'),
        ADD COLUMN successor  smallint REFERENCES log,
        ADD COLUMN frozen_at  timestamptz,
        ADD COLUMN retired_at timestamptz,
        -- The last checkpoint and the last signed root (COSE), which a retired log serves and nobody signs again.
        ADD COLUMN final_checkpoint  bytea,
        ADD COLUMN final_signed_root bytea,
        ADD CHECK ((state = 'active') = (frozen_at IS NULL)),
        ADD CHECK ((state = 'retired') = (retired_at IS NOT NULL)),
        ADD CHECK (state <> 'retired' OR (final_checkpoint IS NOT NULL AND final_signed_root IS NOT NULL));

      ALTER TABLE log_head
        ADD COLUMN key_index bigint  NOT NULL DEFAULT 0,
        ADD COLUMN frozen    boolean NOT NULL DEFAULT false;

      CREATE TABLE log_key (
        log_id      smallint    NOT NULL REFERENCES log,
        purpose     text        NOT NULL CHECK (purpose IN ('checkpoint', 'receipt', 'sct', 'record')),
        spki        bytea       NOT NULL,
        -- The smallest tree that it signs for, and the smallest that it no longer does.
        from_size   bigint      NOT NULL CHECK (from_size >= 0),
        until_size  bigint      CHECK (until_size > from_size),
        -- Where the record is that began it; NULL for a key that the log was opened with.
        event_index bigint,
        since       timestamptz NOT NULL,
        retired_at  timestamptz,
        -- The checkpoint that the record is the last entry of, signed by the key before and by this one.
        transition  bytea,
        PRIMARY KEY (log_id, purpose, from_size),
        UNIQUE (log_id, purpose, spki),
        CHECK ((until_size IS NULL) = (retired_at IS NULL))
      );
      CREATE UNIQUE INDEX log_key_current ON log_key (log_id, purpose) WHERE until_size IS NULL;

      CREATE OR REPLACE FUNCTION refuse_shrinking_head() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP <> 'UPDATE' OR NEW.size < OLD.size OR NEW.epoch < OLD.epoch
             OR (NEW.size = OLD.size AND NEW.root <> OLD.root) OR NEW.key_index < OLD.key_index THEN
            RAISE EXCEPTION 'the head of a log only grows';
          END IF;
          IF NEW.writer IS DISTINCT FROM OLD.writer AND NEW.epoch = OLD.epoch THEN
            RAISE EXCEPTION 'the head of a log only grows, and another writer needs a higher epoch';
          END IF;
          IF OLD.frozen AND (NEW.size <> OLD.size OR NOT NEW.frozen) THEN
            RAISE EXCEPTION 'a frozen log stays as it is';
          END IF;
          RETURN NEW;
        END
      $$;
    `);
  }

  async down(): Promise<void> {
    throw new Error('The keys of a log are named in it; restore a backup instead.');
  }
}
