import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Certificates, and the memory of every key that was ever certified: a key once used is never certified again, by
 * anyone. Nothing here is ever changed or deleted; what happens to a certificate later stands in `revocation`.
 */
export class Certificates0010 implements MigrationInterface {
  name = 'Certificates1700000000010';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE authority (
        name       text        PRIMARY KEY,
        role       text        NOT NULL CHECK (role IN ('root', 'issuing', 'tsa-ca', 'tsa')),
        der        bytea       NOT NULL,
        created_at timestamptz NOT NULL
      );

      CREATE TABLE certificate (
        serial      text        PRIMARY KEY,
        fingerprint bytea       NOT NULL UNIQUE CHECK (octet_length(fingerprint) = 32),
        spki_sha256 bytea       NOT NULL UNIQUE CHECK (octet_length(spki_sha256) = 32),
        vendor_id   text        NOT NULL,
        issuer      text        NOT NULL REFERENCES authority (name),
        shard       smallint    NOT NULL CHECK (shard BETWEEN 0 AND 127),
        der         bytea       NOT NULL,
        not_before  timestamptz NOT NULL,
        not_after   timestamptz NOT NULL,
        log_index   bigint      NOT NULL,
        entry_id    text        NOT NULL,
        issued_at   timestamptz NOT NULL
      );
      CREATE INDEX certificate_vendor ON certificate (vendor_id, log_index);

      CREATE TABLE revocation (
        sequence        bigint      PRIMARY KEY CHECK (sequence > 0),
        serial          text        NOT NULL REFERENCES certificate,
        reason          text        NOT NULL,
        revoked_at      timestamptz NOT NULL,
        invalidity_date timestamptz,
        log_index       bigint      NOT NULL,
        entry_id        text        NOT NULL
      );
      CREATE INDEX revocation_serial ON revocation (serial, sequence);

      CREATE TRIGGER authority_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON authority
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER certificate_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON certificate
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
      CREATE TRIGGER revocation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revocation
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Certificates are append-only; restore a backup instead.');
  }
}
