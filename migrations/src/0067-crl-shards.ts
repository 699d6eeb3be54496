import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * CRLs in shards: which decisions all shards of a CA know of, and the long-lived twin of each CRL. Numbers are larger than 64 bits since
 * they begin with the size of the log.
 */
export class CrlShards0067 implements MigrationInterface {
  name = 'CrlShards1700000000067';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE crl ALTER COLUMN number TYPE numeric(40);

      -- Every CRL of the CA knows the decisions up to this one that concern it.
      CREATE TABLE crl_progress (
        ca       text   PRIMARY KEY REFERENCES authority (name),
        sequence bigint NOT NULL CHECK (sequence >= 0)
      );
      CREATE FUNCTION refuse_older_progress() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP <> 'UPDATE' OR NEW.sequence < OLD.sequence THEN RAISE EXCEPTION 'a CRL forgets nothing'; END IF;
          RETURN NEW;
        END
      $$;
      CREATE TRIGGER crl_progress_only_grows BEFORE UPDATE OR DELETE ON crl_progress
        FOR EACH ROW EXECUTE FUNCTION refuse_older_progress();

      -- The same CRL again, current for long. Made when its content changes, and long before it ends.
      CREATE TABLE crl_twin (
        ca          text        NOT NULL,
        shard       smallint    NOT NULL,
        number      numeric(40) NOT NULL,
        sha256      bytea       NOT NULL CHECK (octet_length(sha256) = 32),
        next_update timestamptz NOT NULL,
        PRIMARY KEY (ca, shard, number),
        FOREIGN KEY (ca, shard, number) REFERENCES crl (ca, shard, number)
      );
      CREATE TRIGGER crl_twin_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON crl_twin
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      -- CRLs of a CA are found by what they list.
      CREATE INDEX certificate_shard ON certificate (issuer, shard);
    `);
  }

  async down(): Promise<void> {
    throw new Error('Numbers of CRLs must never be used again; restore a backup instead.');
  }
}
