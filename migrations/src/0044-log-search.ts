import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Search, at the least cost to registrations.
 *
 * Five indexes over `log_entry` and the table of mentions with its own made a registration write to ten trees. Now it
 * writes to those that hold the log together, and what an entry speaks of is a column. Whatever is searched for is a
 * *fact* (`log/search-facts.ts`); for each block of 4,096 entries a worker writes once which of them a fact holds for.
 * Questions are answered by intersecting these sets, so a rare fact beside a common one, and two common ones that never
 * meet, cost what an easy question costs. Entries that are in no finished block yet are read one by one.
 *
 * Measured on two cores that others used too, 1 M entries of 1.1 kB in batches of 1,024, fsync on: 8,000 entries a second
 * appended, every kind of question below 20 ms at the 95th percentile; docs/performance.md, `npm run bench -- search`.
 */
export class LogSearch0044 implements MigrationInterface {
  name = 'LogSearch1700000000044';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE log_entry ADD COLUMN mentions text[] NOT NULL DEFAULT '{}';
      ALTER TABLE log_entry DISABLE TRIGGER log_entry_append_only;
      UPDATE log_entry e SET mentions = m.terms
        FROM (SELECT log_id, index, array_agg(term) AS terms FROM log_mention GROUP BY log_id, index) m
        WHERE e.log_id = m.log_id AND e.index = m.index;
      ALTER TABLE log_entry ENABLE TRIGGER log_entry_append_only;
      DROP TABLE log_mention;

      DROP INDEX log_entry_vendor, log_entry_application, log_entry_certificate, log_entry_type, log_entry_subject;

      -- fact: 64 bits of a hash, so whoever reads compares what it finds with what was asked.
      -- members: places in the block, ascending, two bytes each, big-endian; or 4,096 bits when that is shorter.
      CREATE TABLE log_search_set (
        fact    bigint   NOT NULL,
        block   integer  NOT NULL CHECK (block >= 0),
        log_id  smallint NOT NULL REFERENCES log,
        members bytea    NOT NULL CHECK (octet_length(members) <= 512),
        PRIMARY KEY (log_id, fact, block)
      );

      -- Blocks below this number are finished. Derived: it may be emptied together with the sets, and is made again.
      CREATE TABLE log_search_progress (
        log_id smallint PRIMARY KEY REFERENCES log,
        blocks integer  NOT NULL CHECK (blocks >= 0)
      );

      -- One row a batch: which part of the log a span of time is.
      CREATE INDEX log_seal_time ON log_seal (log_id, committed_at);
    `);
  }

  async down(): Promise<void> {
    throw new Error('The log is append-only; restore a backup instead.');
  }
}
