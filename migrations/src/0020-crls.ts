import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Every CRL ever signed, without its bytes: the newest of a shard is a published file, and those before it nobody needs. What must not
 * be lost is the number, which only grows (RFC 5280 §5.2.3).
 */
export class Crls0020 implements MigrationInterface {
  name = 'Crls1700000000020';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE crl (
        ca          text        NOT NULL REFERENCES authority (name),
        shard       smallint    NOT NULL CHECK (shard BETWEEN 0 AND 127),
        number      bigint      NOT NULL CHECK (number > 0),
        sha256      bytea       NOT NULL CHECK (octet_length(sha256) = 32),
        this_update timestamptz NOT NULL,
        next_update timestamptz NOT NULL CHECK (next_update > this_update),
        -- The last decision in revocation that this CRL knows of.
        sequence    bigint      NOT NULL CHECK (sequence >= 0),
        PRIMARY KEY (ca, shard, number)
      );
      CREATE TRIGGER crl_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON crl
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      CREATE FUNCTION refuse_older_crl() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF EXISTS (SELECT FROM crl WHERE ca = NEW.ca AND shard = NEW.shard
                     AND (number >= NEW.number OR sequence > NEW.sequence)) THEN
            RAISE EXCEPTION 'numbers of CRLs only grow, and a CRL forgets nothing';
          END IF;
          RETURN NEW;
        END
      $$;
      CREATE TRIGGER crl_only_grows BEFORE INSERT ON crl FOR EACH ROW EXECUTE FUNCTION refuse_older_crl();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Numbers of CRLs must never be used again; restore a backup instead.');
  }
}
