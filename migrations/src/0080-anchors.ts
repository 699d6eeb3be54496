import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * CAs and certificates of vendors' own: proposed, registered by two members of governance, withdrawn.
 *
 * What an anchor is and what it counts for never changes; it moves on from one state to the next. A certificate is in force
 * once, and a key is one vendor's for ever.
 */
export class Anchors0080 implements MigrationInterface {
  name = 'Anchors1700000000080';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE anchor (
        id                  text        PRIMARY KEY CHECK (id ~ '^[0-9a-f]{26}$'),
        vendor_id           text        NOT NULL REFERENCES vendor (id),
        purpose             text        NOT NULL CHECK (purpose IN ('artifact-signing', 'timestamping', 'device-idevid')),
        der                 bytea       NOT NULL,
        fingerprint         bytea       NOT NULL CHECK (octet_length(fingerprint) = 32),
        spki_sha256         bytea       NOT NULL CHECK (octet_length(spki_sha256) = 32),
        terms               jsonb       NOT NULL CHECK (jsonb_typeof(terms) = 'object'),
        reason              text        NOT NULL,
        issuer              text        NOT NULL,
        subject             text        NOT NULL,
        proposed_at         timestamptz NOT NULL,
        registered_at       timestamptz,
        log_index           bigint      UNIQUE,
        entry_id            text        UNIQUE,
        withdrawn_at        timestamptz,
        withdrawal_entry_id text        UNIQUE,
        CHECK ((registered_at IS NULL) = (entry_id IS NULL)),
        CHECK ((registered_at IS NULL) = (log_index IS NULL)),
        CHECK ((withdrawn_at IS NOT NULL AND registered_at IS NOT NULL) = (withdrawal_entry_id IS NOT NULL))
      );
      CREATE UNIQUE INDEX anchor_in_force ON anchor (fingerprint) WHERE registered_at IS NOT NULL AND withdrawn_at IS NULL;
      CREATE INDEX anchor_vendor ON anchor (vendor_id);
      CREATE INDEX anchor_key ON anchor (spki_sha256) WHERE registered_at IS NOT NULL;

      CREATE FUNCTION refuse_other_than_next_state() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF OLD.withdrawn_at IS NOT NULL
            OR (OLD.registered_at IS NOT NULL AND NEW.registered_at IS DISTINCT FROM OLD.registered_at)
            OR (OLD.registered_at IS NOT NULL AND NEW.log_index IS DISTINCT FROM OLD.log_index)
            OR (OLD.registered_at IS NOT NULL AND NEW.entry_id IS DISTINCT FROM OLD.entry_id)
            OR (to_jsonb(NEW) - '{registered_at,log_index,entry_id,withdrawn_at,withdrawal_entry_id}'::text[]) <>
               (to_jsonb(OLD) - '{registered_at,log_index,entry_id,withdrawn_at,withdrawal_entry_id}'::text[])
          THEN RAISE EXCEPTION '% only moves on', TG_TABLE_NAME; END IF;
          RETURN NEW;
        END
      $$;
      CREATE TRIGGER anchor_only_moves_on BEFORE UPDATE ON anchor
        FOR EACH ROW EXECUTE FUNCTION refuse_other_than_next_state();
      CREATE TRIGGER anchor_is_kept BEFORE DELETE OR TRUNCATE ON anchor
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      CREATE TABLE anchor_approval (
        anchor_id   text        NOT NULL REFERENCES anchor (id),
        issuer      text        NOT NULL,
        subject     text        NOT NULL,
        note        text        NOT NULL,
        approved_at timestamptz NOT NULL,
        PRIMARY KEY (anchor_id, issuer, subject)
      );
      CREATE TRIGGER anchor_approval_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON anchor_approval
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Registered anchors are named in the log; restore a backup instead.');
  }
}
