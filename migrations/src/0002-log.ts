import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The log's tables, and the rule that entries never change.
 *
 * The index is never a sequence: sequences leave gaps. `log_head` is the only row that moves, and whoever moves it holds
 * it. The triggers are the second lock on the door: application code has no update path. They exist for the operator
 * with a psql prompt and a good reason.
 */
export class Log0002 implements MigrationInterface {
  name = 'Log1700000000002';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE log (
        id          smallint PRIMARY KEY,
        origin      text     NOT NULL UNIQUE,
        leaf_format text     NOT NULL CHECK (leaf_format IN ('cose-digest', 'cose-raw')),
        state       text     NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'frozen', 'retired')),
        opened_at   timestamptz NOT NULL
      );

      CREATE TABLE log_head (
        log_id       smallint    PRIMARY KEY REFERENCES log,
        size         bigint      NOT NULL CHECK (size >= 0),
        root         bytea       NOT NULL CHECK (octet_length(root) = 32),
        frontier     bytea       NOT NULL CHECK (octet_length(frontier) % 32 = 0),
        epoch        bigint      NOT NULL,
        committed_at timestamptz NOT NULL
      );

      -- Every head there ever was, one a batch: an entry's receipt is dated by the head that first covered it.
      CREATE TABLE log_seal (
        log_id       smallint    NOT NULL REFERENCES log,
        size         bigint      NOT NULL CHECK (size > 0),
        root         bytea       NOT NULL CHECK (octet_length(root) = 32),
        committed_at timestamptz NOT NULL,
        PRIMARY KEY (log_id, size)
      );

      CREATE TABLE certificate_chain (
        id           bytea   PRIMARY KEY CHECK (octet_length(id) = 32),
        certificates bytea[] NOT NULL
      );

      -- Content-addressed: what the log may one day have to forget lies apart from what it must keep.
      CREATE TABLE statement (
        entry           bytea PRIMARY KEY CHECK (octet_length(entry) = 32),
        body            bytea NOT NULL,
        chain_id        bytea REFERENCES certificate_chain,
        timestamp_token bytea
      );

      CREATE TABLE log_entry (
        log_id         smallint    NOT NULL REFERENCES log,
        index          bigint      NOT NULL CHECK (index >= 0),
        entry          bytea       NOT NULL CHECK (octet_length(entry) = 32),
        content_type   text        NOT NULL,
        issuer         text        NOT NULL,
        subject        text        NOT NULL,
        vendor_id      text,
        application_id text,
        version        text,
        certificate    bytea       CHECK (octet_length(certificate) = 32),
        registered_at  timestamptz NOT NULL,
        PRIMARY KEY (log_id, index),
        UNIQUE (log_id, entry)
      );
      CREATE INDEX log_entry_vendor ON log_entry (log_id, vendor_id, index) WHERE vendor_id IS NOT NULL;
      CREATE INDEX log_entry_application ON log_entry (log_id, application_id, index) WHERE application_id IS NOT NULL;
      CREATE INDEX log_entry_certificate ON log_entry (log_id, certificate, index) WHERE certificate IS NOT NULL;
      CREATE INDEX log_entry_type ON log_entry (log_id, content_type, index);
      CREATE INDEX log_entry_subject ON log_entry (log_id, subject, index);

      -- What an entry speaks of: digests ("sha256:…") and OCI references, for search.
      CREATE TABLE log_mention (
        log_id smallint NOT NULL,
        term   text     NOT NULL,
        index  bigint   NOT NULL,
        PRIMARY KEY (log_id, term, index),
        FOREIGN KEY (log_id, index) REFERENCES log_entry (log_id, index)
      );

      -- Full tiles of 256 hashes, and the hash over each: what the level above is made of.
      CREATE TABLE log_tile (
        log_id smallint NOT NULL REFERENCES log,
        level  smallint NOT NULL CHECK (level BETWEEN 0 AND 7),
        index  bigint   NOT NULL CHECK (index >= 0),
        hashes bytea    NOT NULL CHECK (octet_length(hashes) = 8192),
        root   bytea    NOT NULL CHECK (octet_length(root) = 32),
        PRIMARY KEY (log_id, level, index)
      );

      CREATE TRIGGER log_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_entry
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER log_seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_seal
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER log_tile_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_tile
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      CREATE FUNCTION refuse_shrinking_head() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP <> 'UPDATE' OR NEW.size < OLD.size OR NEW.epoch < OLD.epoch THEN
            RAISE EXCEPTION 'the head of a log only grows';
          END IF;
          RETURN NEW;
        END
      $$;
      CREATE TRIGGER log_head_only_grows BEFORE UPDATE OR DELETE ON log_head
        FOR EACH ROW EXECUTE FUNCTION refuse_shrinking_head();
    `);
  }

  async down(): Promise<void> {
    throw new Error('The log is append-only; restore a backup instead.');
  }
}
