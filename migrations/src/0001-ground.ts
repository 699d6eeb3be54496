import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What every area stands on: the guard for append-only tables, published files, and the audit trail. */
export class Ground0001 implements MigrationInterface {
  name = 'Ground1700000000001';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END
      $$;

      -- Files that anyone may fetch at their path: TUF metadata, CRLs, certificates, checkpoint, tiles.
      CREATE TABLE published_file (
        path          text        PRIMARY KEY CHECK (path ~ '^/[A-Za-z0-9._/-]+$'),
        body          bytea       NOT NULL,
        content_type  text        NOT NULL,
        etag          text        NOT NULL CHECK (etag ~ '^"[A-Za-z0-9_-]+"$'),
        cache_control text        NOT NULL,
        published_at  timestamptz NOT NULL
      );

      -- Who changed what. detail holds no personal data beyond the actor's subject.
      CREATE TABLE audit_event (
        id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at      timestamptz NOT NULL,
        actor   text        NOT NULL,
        action  text        NOT NULL,
        subject text        NOT NULL,
        detail  jsonb       NOT NULL DEFAULT '{}'
      );
      CREATE INDEX audit_event_subject ON audit_event (subject, id);
      CREATE TRIGGER audit_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('The audit trail is append-only; restore a backup instead.');
  }
}
