import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The index map (docs/adr/0014-complete-answers.md): what the log holds about each key, and the tree over all keys.
 *
 * Everything here is derived from the log and made again when it is emptied; only the records of its roots, which are
 * entries, are not. Hashes do not compress, so nobody is to try.
 */
export class IndexMap0054 implements MigrationInterface {
  name = 'IndexMap1700000000054';

  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- size: entries that the map is made of. record_index: where its root is on record; NULL until that has committed.
      CREATE TABLE index_map_state (
        log_id       smallint    PRIMARY KEY REFERENCES log,
        size         bigint      NOT NULL CHECK (size >= 0),
        root         bytea       NOT NULL CHECK (octet_length(root) = 32),
        record_index bigint      CHECK (record_index >= size),
        changed_at   timestamptz NOT NULL
      );

      -- 64 nodes six levels below depth, each with its kind: a fixed 33 bytes.
      CREATE TABLE index_map_tile (
        log_id smallint NOT NULL REFERENCES log,
        depth  smallint NOT NULL CHECK (depth IN (0, 6, 12)),
        prefix integer  NOT NULL,
        nodes  bytea    NOT NULL CHECK (octet_length(nodes) = 2112),
        PRIMARY KEY (log_id, depth, prefix)
      );

      -- Records of all keys whose first 18 bits are the prefix, sorted by key, 80 bytes each.
      CREATE TABLE index_map_bucket (
        log_id  smallint NOT NULL REFERENCES log,
        prefix  integer  NOT NULL CHECK (prefix BETWEEN 0 AND 262143),
        records bytea    NOT NULL CHECK (octet_length(records) % 80 = 0),
        PRIMARY KEY (log_id, prefix)
      );

      -- Indices of the entries of a key that has two or more, 256 to a page, and the chain before the page.
      CREATE TABLE index_map_page (
        key     bytea    NOT NULL CHECK (octet_length(key) = 32),
        page    integer  NOT NULL CHECK (page >= 0),
        log_id  smallint NOT NULL REFERENCES log,
        before  bytea    NOT NULL CHECK (octet_length(before) = 32),
        indexes bytea    NOT NULL CHECK (octet_length(indexes) BETWEEN 8 AND 2048),
        PRIMARY KEY (log_id, key, page)
      );

      ALTER TABLE index_map_tile ALTER nodes SET STORAGE EXTERNAL;
      ALTER TABLE index_map_bucket ALTER records SET STORAGE EXTERNAL;
      ALTER TABLE index_map_page ALTER indexes SET STORAGE EXTERNAL;
    `);
  }

  async down(): Promise<void> {
    throw new Error('Records of the map stay in the log; empty its tables instead.');
  }
}
