import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * OpenPGP keys that vendors have registered, for reading what they signed with them.
 *
 * A key names people, so it is forgotten when it is withdrawn; its fingerprint stays, and comes back for nobody. Nothing else changes.
 */
export class OpenpgpKeys0087 implements MigrationInterface {
  name = 'OpenpgpKeys1700000000087';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE openpgp_key (
        fingerprint      text        PRIMARY KEY CHECK (fingerprint ~ '^([0-9a-f]{40}|[0-9a-f]{64})$'),
        vendor_id        text        NOT NULL REFERENCES vendor (id),
        key              bytea       CHECK (octet_length(key) BETWEEN 1 AND 8192),
        registered_at    timestamptz NOT NULL,
        log_index        bigint      NOT NULL,
        entry_id         text        NOT NULL UNIQUE,
        withdrawn_at     timestamptz,
        withdrawal_entry_id text     UNIQUE,
        CHECK ((withdrawn_at IS NULL) = (withdrawal_entry_id IS NULL)),
        CHECK ((withdrawn_at IS NULL) = (key IS NOT NULL))
      );
      CREATE INDEX openpgp_key_vendor ON openpgp_key (vendor_id) WHERE withdrawn_at IS NULL;

      CREATE FUNCTION refuse_other_than_withdrawal() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF OLD.withdrawn_at IS NOT NULL OR
            (to_jsonb(NEW) - '{key,withdrawn_at,withdrawal_entry_id}'::text[]) <>
            (to_jsonb(OLD) - '{key,withdrawn_at,withdrawal_entry_id}'::text[])
          THEN RAISE EXCEPTION '% is only withdrawn', TG_TABLE_NAME; END IF;
          RETURN NEW;
        END
      $$;
      CREATE TRIGGER openpgp_key_is_only_withdrawn BEFORE UPDATE ON openpgp_key
        FOR EACH ROW EXECUTE FUNCTION refuse_other_than_withdrawal();
      CREATE TRIGGER openpgp_key_is_kept BEFORE DELETE OR TRUNCATE ON openpgp_key
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Keys are named in the log; restore a backup instead.');
  }
}
