import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Certificates that somebody else has issued and that statements were admitted with, under an anchor of the vendor's. The registry knows
 * them from there alone: to say what revoking a key would hit, and by which registration an entry was admitted.
 */
export class AnchoredCertificates0081 implements MigrationInterface {
  name = 'AnchoredCertificates1700000000081';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE anchored_certificate (
        fingerprint bytea   NOT NULL CHECK (octet_length(fingerprint) = 32),
        anchor_id   text    NOT NULL REFERENCES anchor (id),
        keys        bytea[] NOT NULL CHECK (cardinality(keys) > 0),
        PRIMARY KEY (fingerprint, anchor_id)
      );
      CREATE INDEX anchored_certificate_keys ON anchored_certificate USING gin (keys);
      CREATE TRIGGER anchored_certificate_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON anchored_certificate
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('What was signed under anchors cannot be told without; restore a backup instead.');
  }
}
