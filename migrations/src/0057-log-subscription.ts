import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who is told of new entries at an address, how far they have been told, and what became of each attempt. */
export class LogSubscription0057 implements MigrationInterface {
  name = 'LogSubscription1700000000057';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE log_subscription (
        id              text        PRIMARY KEY,
        organisation    text        NOT NULL,
        url             text        NOT NULL,
        filter          jsonb       NOT NULL,
        -- Both sides need it in clear. Whoever has it can send what looks like ours; the log itself proves what is true.
        secret          bytea       NOT NULL CHECK (octet_length(secret) = 32),
        -- Index of the entry that is looked at next.
        position        bigint      NOT NULL CHECK (position >= 0),
        failures        integer     NOT NULL DEFAULT 0,
        failing_since   timestamptz,
        next_attempt_at timestamptz NOT NULL,
        disabled_at     timestamptz,
        -- Who delivers at the moment; its writes name it.
        lease           text,
        leased_until    timestamptz,
        deliveries      bigint      NOT NULL DEFAULT 0,
        created_at      timestamptz NOT NULL,
        created_by      text        NOT NULL
      );
      CREATE INDEX log_subscription_organisation ON log_subscription (organisation);
      CREATE INDEX log_subscription_due ON log_subscription (next_attempt_at) WHERE disabled_at IS NULL;

      CREATE TABLE log_delivery (
        subscription_id text        NOT NULL REFERENCES log_subscription ON DELETE CASCADE,
        number          bigint      NOT NULL,
        index           bigint      NOT NULL,
        at              timestamptz NOT NULL,
        outcome         text        NOT NULL,
        status          integer,
        milliseconds    integer     NOT NULL,
        PRIMARY KEY (subscription_id, number)
      );
    `);
  }

  async down(): Promise<void> {
    throw new Error('Migrations are forward-only; restore a backup instead.');
  }
}
