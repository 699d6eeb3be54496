import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a certificate will say once it is signed, logged before it is. A row without its `certificate` is an issuance that was
 * cut short: whoever asks again for the same key gets what was logged.
 */
export class Precertificates0049 implements MigrationInterface {
  name = 'Precertificates1700000000049';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE precertificate (
        serial      text        PRIMARY KEY,
        spki_sha256 bytea       NOT NULL UNIQUE CHECK (octet_length(spki_sha256) = 32),
        vendor_id   text        NOT NULL,
        issuer      text        NOT NULL REFERENCES authority (name),
        shard       smallint    NOT NULL CHECK (shard BETWEEN 0 AND 127),
        tbs         bytea       NOT NULL,
        log_index   bigint      NOT NULL,
        entry_id    text        NOT NULL,
        logged_at   timestamptz NOT NULL
      );
      CREATE TRIGGER precertificate_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON precertificate
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Certificates are append-only; restore a backup instead.');
  }
}
