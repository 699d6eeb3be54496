import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Vendors, their claims and the approvals that admitted them.
 *
 * Uniqueness counts from admission on: an application alone must not keep a name from its owner.
 * Prefix overlap between claims is beyond a constraint; the store checks it under a lock.
 */
export class Vendors0004 implements MigrationInterface {
  name = 'Vendors1700000000004';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE vendor (
        id                 text        PRIMARY KEY CHECK (id ~ '^[0-7][0-9a-hjkmnp-tv-z]{25}$'),
        legal_name         text        NOT NULL,
        country            text        NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
        state              text        NOT NULL,
        personas           text[]      NOT NULL CHECK (cardinality(personas) > 0),
        security_contact   text        NOT NULL,
        website            text,
        status             text        NOT NULL CHECK (status IN ('submitted', 'active', 'suspended')),
        submitted_at       timestamptz NOT NULL,
        admitted_at        timestamptz,
        suspended_at       timestamptz,
        suspension_reason  text,
        admission_entry_id text,
        record_entry_id    text,
        CHECK ((status = 'submitted') = (admitted_at IS NULL)),
        CHECK ((status = 'submitted') = (admission_entry_id IS NULL)),
        CHECK ((status = 'submitted') = (record_entry_id IS NULL)),
        CHECK ((status = 'suspended') = (suspended_at IS NOT NULL)),
        CHECK ((status = 'suspended') = (suspension_reason IS NOT NULL))
      );
      CREATE UNIQUE INDEX vendor_subject ON vendor (country, state, legal_name) WHERE status <> 'submitted';

      CREATE TABLE vendor_claim (
        vendor_id  text        NOT NULL REFERENCES vendor (id),
        kind       text        NOT NULL CHECK (kind IN ('application-id-prefix', 'oci-namespace')),
        value      text        NOT NULL,
        granted_at timestamptz,
        PRIMARY KEY (vendor_id, kind, value)
      );
      CREATE UNIQUE INDEX vendor_claim_granted ON vendor_claim (kind, value) WHERE granted_at IS NOT NULL;

      CREATE TABLE vendor_approval (
        vendor_id   text        NOT NULL REFERENCES vendor (id),
        issuer      text        NOT NULL,
        subject     text        NOT NULL,
        note        text        NOT NULL,
        approved_at timestamptz NOT NULL,
        PRIMARY KEY (vendor_id, issuer, subject)
      );
      CREATE TRIGGER vendor_approval_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON vendor_approval
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Admitted vendors are named in the log; restore a backup instead.');
  }
}
