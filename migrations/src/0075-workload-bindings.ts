import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Which builds may have certificates of which vendor, and which of their tokens have been exchanged.
 *
 * A binding ends and is never changed otherwise. A token is remembered until it has expired, with the key that it went to, so
 * that asking again after a broken connection gives the same certificate, and asking for another key gives none.
 */
export class WorkloadBindings0075 implements MigrationInterface {
  name = 'WorkloadBindings1700000000075';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE workload_binding (
        id               text        PRIMARY KEY,
        vendor_id        text        NOT NULL REFERENCES vendor (id),
        issuer           text        NOT NULL,
        subject          text        NOT NULL CHECK (length(subject) BETWEEN 1 AND 500),
        claims           jsonb       NOT NULL CHECK (jsonb_typeof(claims) = 'object'),
        created_at       timestamptz NOT NULL,
        log_index        bigint      NOT NULL,
        entry_id         text        NOT NULL UNIQUE,
        removed_at       timestamptz,
        removal_entry_id text        UNIQUE,
        CHECK ((removed_at IS NULL) = (removal_entry_id IS NULL))
      );
      CREATE UNIQUE INDEX workload_binding_vendor ON workload_binding (vendor_id, issuer, subject, claims)
        WHERE removed_at IS NULL;
      CREATE INDEX workload_binding_issuer ON workload_binding (issuer) WHERE removed_at IS NULL;

      CREATE FUNCTION refuse_other_than_end() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF OLD.removed_at IS NOT NULL OR
            (to_jsonb(NEW) - '{removed_at,removal_entry_id}'::text[]) <>
            (to_jsonb(OLD) - '{removed_at,removal_entry_id}'::text[])
          THEN RAISE EXCEPTION '% only ends', TG_TABLE_NAME; END IF;
          RETURN NEW;
        END
      $$;
      CREATE TRIGGER workload_binding_only_ends BEFORE UPDATE ON workload_binding
        FOR EACH ROW EXECUTE FUNCTION refuse_other_than_end();
      CREATE TRIGGER workload_binding_is_kept BEFORE DELETE OR TRUNCATE ON workload_binding
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      CREATE TABLE workload_token (
        token_sha256 bytea       PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
        spki_sha256  bytea       NOT NULL CHECK (octet_length(spki_sha256) = 32),
        expires_at   timestamptz NOT NULL
      );
      CREATE INDEX workload_token_expires ON workload_token (expires_at);
    `);
  }

  async down(): Promise<void> {
    throw new Error('Bindings are named in the log; restore a backup instead.');
  }
}
