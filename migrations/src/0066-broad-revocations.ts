import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Decisions about keys, issuers, vendors and digests beside those about certificates, all in one sequence; and the votes without which
 * none of them is taken back in part.
 */
export class BroadRevocations0066 implements MigrationInterface {
  name = 'BroadRevocations1700000000066';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- target: serial number, SHA-256 of a SubjectPublicKeyInfo in hex, name of an authority, id of a vendor, or digest.
      -- vendor_id: whose signatures a revoked digest is refused under; everybody's where it is NULL.
      ALTER TABLE revocation
        ADD COLUMN kind      text     NOT NULL DEFAULT 'certificate'
                             CHECK (kind IN ('certificate', 'key', 'issuer', 'vendor', 'digest')),
        ADD COLUMN target    text,
        ADD COLUMN vendor_id text,
        ADD COLUMN approvals smallint NOT NULL DEFAULT 1 CHECK (approvals > 0);
      ALTER TABLE revocation DISABLE TRIGGER revocation_append_only;
      UPDATE revocation SET target = serial;
      ALTER TABLE revocation ENABLE TRIGGER revocation_append_only;
      ALTER TABLE revocation
        ALTER COLUMN kind DROP DEFAULT,
        ALTER COLUMN target SET NOT NULL,
        ALTER COLUMN serial DROP NOT NULL,
        ADD CHECK ((kind = 'certificate') = (serial IS NOT NULL)),
        ADD CHECK (serial IS NULL OR serial = target),
        ADD CHECK (kind = 'digest' OR vendor_id IS NULL);
      CREATE INDEX revocation_target ON revocation (kind, target, sequence);

      -- What holds now of each subject. refused_from: signatures with trusted time from then on are refused; NULL: all are.
      -- is_on_crl: once on a CRL, always (RFC 5280 §3.3): readers that know no dates must not see it come and go.
      CREATE VIEW current_revocation AS
        SELECT kind, target, vendor_id, reason, revoked_at, invalidity_date, log_index, entry_id, sequence, first_sequence, is_on_crl,
               coalesce(invalidity_date, CASE WHEN reason IN ('superseded', 'affiliationChanged', 'cessationOfOperation')
                                              THEN revoked_at END) AS refused_from
        FROM (SELECT DISTINCT ON (kind, target, coalesce(vendor_id, '')) kind, target, vendor_id, reason, invalidity_date, log_index,
                     entry_id, sequence, min(sequence) OVER subject AS first_sequence, min(revoked_at) OVER subject AS revoked_at,
                     bool_or(reason <> 'superseded') OVER subject AS is_on_crl
              FROM revocation
              WINDOW subject AS (PARTITION BY kind, target, coalesce(vendor_id, ''))
              ORDER BY kind, target, coalesce(vendor_id, ''), sequence DESC) latest;

      -- Votes to trust signatures again that are refused. after_sequence: the decision that they would replace; another
      -- decision in between makes them void.
      CREATE TABLE revocation_vote (
        kind            text        NOT NULL,
        target          text        NOT NULL,
        vendor_id       text,
        after_sequence  bigint      NOT NULL REFERENCES revocation,
        reason          text        NOT NULL,
        invalidity_date timestamptz,
        issuer          text        NOT NULL,
        subject         text        NOT NULL,
        voted_at        timestamptz NOT NULL,
        UNIQUE (after_sequence, issuer, subject, reason, invalidity_date)
      );
      CREATE TRIGGER revocation_vote_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revocation_vote
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Revocations are append-only; restore a backup instead.');
  }
}
