import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What members of governance propose to do with a log and its keys. It changes nothing before another one approves. */
export class LogProposal0062 implements MigrationInterface {
  name = 'LogProposal1700000000062';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE log_proposal (
        id          text        PRIMARY KEY,
        -- What is to be done, down to the key: who approves approves this and nothing that came later.
        change      jsonb       NOT NULL,
        reason      text        NOT NULL,
        issuer      text        NOT NULL,
        subject     text        NOT NULL,
        proposed_at timestamptz NOT NULL
      );
      CREATE TRIGGER log_proposal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_proposal
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      CREATE TABLE log_decision (
        proposal   text        PRIMARY KEY REFERENCES log_proposal,
        issuer     text        NOT NULL,
        subject    text        NOT NULL,
        entry_id   text        NOT NULL,
        decided_at timestamptz NOT NULL
      );
      CREATE TRIGGER log_decision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_decision
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Decisions about logs are named in the log; restore a backup instead.');
  }
}
