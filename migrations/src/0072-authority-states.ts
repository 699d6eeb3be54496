import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What an authority is there for, as it changes: the latest row of a name holds. The first is written with the authority; what
 * becomes of it later is a decision with a record in the log.
 */
export class AuthorityStates0072 implements MigrationInterface {
  name = 'AuthorityStates1700000000072';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE authority_state (
        sequence bigint      PRIMARY KEY CHECK (sequence > 0),
        name     text        NOT NULL REFERENCES authority (name),
        state    text        NOT NULL CHECK (state IN ('standby', 'active', 'retiring', 'retired')),
        since    timestamptz NOT NULL,
        -- Who decided, as the audit trail names people; at the founding nobody but the founding.
        decided_by text,
        entry_id   text,
        UNIQUE (name, state)
      );
      CREATE INDEX authority_state_name ON authority_state (name, sequence);
      INSERT INTO authority_state (sequence, name, state, since)
        SELECT row_number() OVER (ORDER BY created_at, name), name, 'active', created_at FROM authority;
      CREATE TRIGGER authority_state_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON authority_state
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('States of authorities are append-only; restore a backup instead.');
  }
}
