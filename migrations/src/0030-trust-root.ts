import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What was fixed at genesis, and the trust root: every TUF metadata file ever signed, and which of them are current. */
export class TrustRoot0030 implements MigrationInterface {
  name = 'TrustRoot1700000000030';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- One row at most. The domain is in certificates and in the log: it cannot change any more.
      CREATE TABLE genesis (
        id     boolean     PRIMARY KEY DEFAULT true CHECK (id),
        domain text        NOT NULL,
        at     timestamptz NOT NULL
      );
      CREATE TRIGGER genesis_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON genesis
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      CREATE TABLE tuf_metadata (
        role         text        NOT NULL CHECK (role IN ('root', 'targets', 'live', 'snapshot', 'timestamp')),
        version      integer     NOT NULL CHECK (version > 0),
        bytes        bytea       NOT NULL,
        expires      timestamptz NOT NULL,
        published_at timestamptz NOT NULL,
        PRIMARY KEY (role, version)
      );
      CREATE TRIGGER tuf_metadata_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tuf_metadata
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      -- One row at most, held by whoever publishes. A version of 0 means that the role has signed nothing yet.
      CREATE TABLE tuf_current (
        id           boolean     PRIMARY KEY DEFAULT true CHECK (id),
        root         integer     NOT NULL CHECK (root > 0),
        targets      integer     NOT NULL CHECK (targets > 0),
        live         integer     NOT NULL DEFAULT 0,
        snapshot     integer     NOT NULL DEFAULT 0,
        timestamp    integer     NOT NULL DEFAULT 0,
        -- What the current timestamp vouches for. When the registry's state reads otherwise, it is time to publish.
        made_from    text        NOT NULL DEFAULT '',
        published_at timestamptz,
        CHECK ((timestamp = 0) = (published_at IS NULL))
      );
      CREATE FUNCTION refuse_older_trust_root() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF TG_OP <> 'UPDATE' OR NEW.root < OLD.root OR NEW.targets < OLD.targets OR NEW.live < OLD.live
             OR NEW.snapshot < OLD.snapshot OR NEW.timestamp < OLD.timestamp THEN
            RAISE EXCEPTION 'versions of TUF roles only grow';
          END IF;
          RETURN NEW;
        END
      $$;
      CREATE TRIGGER tuf_current_only_grows BEFORE UPDATE OR DELETE ON tuf_current
        FOR EACH ROW EXECUTE FUNCTION refuse_older_trust_root();

      -- The record of each vendor's admission with the receipt it was first published with. A fresh receipt would do as
      -- well, but change the vendor's shard, which every device would fetch again.
      CREATE TABLE tuf_admission (
        entry_id  text  PRIMARY KEY,
        statement bytea NOT NULL
      );
    `);
  }

  async down(): Promise<void> {
    throw new Error('Versions of TUF roles must never be used again; restore a backup instead.');
  }
}
