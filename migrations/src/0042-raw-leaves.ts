import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Leaves that are not a statement's digest but bytes of their own: entries of Sigstore tools, whose clients rebuild the
 * leaf from what they hold and hash that. `entry` is then the digest of the leaf, and still what the log knows it by.
 */
export class RawLeaves0042 implements MigrationInterface {
  name = 'RawLeaves1700000000042';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- 65535: an entry bundle counts a leaf's bytes in sixteen bits (C2SP tlog-tiles). Never 32, which is a digest.
      ALTER TABLE log_entry ADD COLUMN raw bytea
        CHECK (octet_length(raw) <= 65535 AND octet_length(raw) <> 32 AND sha256(raw) = entry);
    `);
  }

  async down(): Promise<void> {
    throw new Error('The log is append-only; restore a backup instead.');
  }
}
