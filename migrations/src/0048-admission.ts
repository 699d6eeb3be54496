import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Policies that change, and statements that are withheld or erased.
 *
 * `log_head.policy_index` says under which policy the next entry is admitted: whoever seals holds that row, so a policy
 * counts from its own index on and never earlier. A proposal is open while its version is the next one.
 *
 * Erasing takes a statement's bytes away. The tree, its entries and what search knows of them stay.
 */
export class Admission0048 implements MigrationInterface {
  name = 'Admission1700000000048';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE log_head ADD COLUMN policy_index bigint NOT NULL DEFAULT 0;

      -- Every policy there ever was, as logged.
      CREATE TABLE registration_policy (
        log_id     smallint    NOT NULL REFERENCES log,
        version    bigint      NOT NULL CHECK (version > 0),
        index      bigint      NOT NULL,
        document   text        NOT NULL,
        decided_at timestamptz NOT NULL,
        PRIMARY KEY (log_id, version),
        UNIQUE (log_id, index),
        FOREIGN KEY (log_id, index) REFERENCES log_entry (log_id, index)
      );
      CREATE TRIGGER registration_policy_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registration_policy
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      -- What registries founded before policies could change have at index 0.
      INSERT INTO registration_policy (log_id, version, index, document, decided_at)
      SELECT log_id, 1, 0, $policy$${FIRST_POLICY}$policy$, registered_at FROM log_entry WHERE index = 0;

      CREATE TABLE policy_proposal (
        id          text        PRIMARY KEY,
        log_id      smallint    NOT NULL REFERENCES log,
        version     bigint      NOT NULL CHECK (version > 1),
        document    text        NOT NULL,
        reason      text        NOT NULL,
        issuer      text        NOT NULL,
        subject     text        NOT NULL,
        proposed_at timestamptz NOT NULL
      );
      CREATE TRIGGER policy_proposal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON policy_proposal
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      -- Statements whose payload is for their vendor and governance only. They lie apart from the others, so that nothing
      -- public can hand one out by oversight.
      CREATE TABLE restricted_statement (
        entry           bytea       PRIMARY KEY CHECK (octet_length(entry) = 32),
        body            bytea       NOT NULL,
        chain_id        bytea       REFERENCES certificate_chain,
        timestamp_token bytea,
        reason          text        NOT NULL,
        record_entry_id text        NOT NULL,
        restricted_at   timestamptz NOT NULL
      );

      -- Who of governance wants a statement erased, and why.
      CREATE TABLE erasure_vote (
        entry    bytea       NOT NULL CHECK (octet_length(entry) = 32),
        issuer   text        NOT NULL,
        subject  text        NOT NULL,
        reason   text        NOT NULL,
        voted_at timestamptz NOT NULL,
        PRIMARY KEY (entry, issuer, subject)
      );
      CREATE TRIGGER erasure_vote_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON erasure_vote
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

      CREATE TABLE statement_erasure (
        entry           bytea       PRIMARY KEY CHECK (octet_length(entry) = 32),
        reason          text        NOT NULL,
        record_entry_id text        NOT NULL,
        erased_at       timestamptz NOT NULL
      );
      CREATE TRIGGER statement_erasure_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON statement_erasure
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
    `);
  }

  async down(): Promise<void> {
    throw new Error('Policies are named in the log, and what is erased stays so; restore a backup instead.');
  }
}

/** Type and limits as every registry logged them before this migration; what it said in `checks` nobody reads. */
const FIRST_POLICY = JSON.stringify({
  type: 'margo.registration-policy.v1',
  algorithms: ['ES256', 'ES384', 'PS256', 'PS384'],
  contentTypes: ['application/vnd.cncf.notary.payload.v1+json', 'application/vnd.margo.trust.release.v1+json'],
  maxStatementBytes: 1_048_576,
  checks: [],
});
