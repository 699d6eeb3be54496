import { Injectable } from '@nestjs/common';
import { BUCKET_DEPTH, prefixOf, TILE_DEPTHS, type MapParts, type TileDepth } from '@margo-trust/index-map';
import type { Hash } from '@margo-trust/merkle';
import { numberArray } from '../../db/array-literal.ts';
import type { Tx } from '../../db/db.ts';

export interface MapState {
  /** Entries that the map is made of. */
  readonly size: bigint;
  readonly root: Hash;
  /** Where its root is on record; absent while it is not. */
  readonly recordIndex?: bigint;
  readonly changedAt: Date;
}

/** An entry with all that its keys are told by. */
export interface KeyedRow {
  readonly index: bigint;
  readonly entry: Uint8Array;
  readonly raw?: Uint8Array;
  /** Only of statements of these content types, and not when erased. */
  readonly body?: Uint8Array;
  readonly vendorId?: string;
  readonly applicationId?: string;
  readonly certificate?: Uint8Array;
  readonly mentions: readonly string[];
}

/** Entries that a page of a key gains. */
export interface PageGrowth {
  readonly key: Hash;
  readonly page: number;
  /** The chain before the first of the page. */
  readonly before: Hash;
  readonly indexes: readonly bigint[];
}

interface StateRecord {
  size: string;
  root: Buffer;
  record_index: string | null;
  changed_at: Date;
}

/** The stored map. Every method takes the caller's transaction, which holds the state. */
@Injectable()
export class IndexMapStore {
  /** Holds the state until the transaction ends, and opens an empty map the first time. */
  async lockState(tx: Tx, logId: number, now: Date): Promise<MapState> {
    await tx.query('INSERT INTO index_map_state VALUES ($1, 0, $2, NULL, $3) ON CONFLICT DO NOTHING', [
      logId,
      Buffer.alloc(32),
      now,
    ]);
    const [row] = (await tx.query('SELECT * FROM index_map_state WHERE log_id = $1 FOR UPDATE', [
      logId,
    ])) as StateRecord[];
    if (!row) throw new Error('The state of the map was written and is gone.');
    return toState(row);
  }

  /** Entries `[first, first + count)`; bodies only of the content types given. */
  async entries(tx: Tx, logId: number, first: bigint, count: number, types: readonly string[]): Promise<KeyedRow[]> {
    const rows = (await tx.query(
      `SELECT e.index, e.entry, e.raw, e.vendor_id, e.application_id, e.certificate, array_to_string(e.mentions, E'\\n') AS mentions, s.body
       FROM log_entry e LEFT JOIN statement s ON s.entry = e.entry AND e.content_type = ANY($4)
       WHERE e.log_id = $1 AND e.index >= $2 AND e.index < $3 ORDER BY e.index`,
      [logId, first.toString(), (first + BigInt(count)).toString(), types],
    )) as EntryRecord[];
    return rows.map(toKeyedRow);
  }

  /** All parts on the ways to these keys. */
  async loadParts(tx: Tx, logId: number, keys: readonly Hash[]): Promise<MapParts> {
    const prefixes = (depth: number) => [...new Set(keys.map((key) => prefixOf(key, depth)))];
    const tiles = {} as Record<TileDepth, Map<number, Uint8Array>>;
    for (const depth of TILE_DEPTHS) {
      const rows = (await tx.query(
        'SELECT prefix, nodes FROM index_map_tile WHERE log_id = $1 AND depth = $2 AND prefix = ANY($3)',
        [logId, depth, numberArray(prefixes(depth))],
      )) as { prefix: number; nodes: Buffer }[];
      tiles[depth] = new Map(rows.map(({ prefix, nodes }) => [prefix, Uint8Array.from(nodes)]));
    }
    const rows = (await tx.query(
      'SELECT prefix, records FROM index_map_bucket WHERE log_id = $1 AND prefix = ANY($2)',
      [logId, numberArray(prefixes(BUCKET_DEPTH))],
    )) as { prefix: number; records: Buffer }[];
    return { tiles, buckets: new Map(rows.map(({ prefix, records }) => [prefix, Uint8Array.from(records)])) };
  }

  async saveParts(tx: Tx, logId: number, { tiles, buckets }: MapParts): Promise<void> {
    for (const depth of TILE_DEPTHS) {
      for (const part of slices(tiles[depth])) {
        await tx.query(
          `INSERT INTO index_map_tile (log_id, depth, prefix, nodes)
           SELECT $1, $2, prefix, substring($3::bytea FROM s FOR n) FROM unnest($4::int[], $5::int[], $6::int[]) AS t (prefix, s, n)
           ON CONFLICT (log_id, depth, prefix) DO UPDATE SET nodes = EXCLUDED.nodes`,
          [logId, depth, ...part],
        );
      }
    }
    for (const part of slices(buckets)) {
      await tx.query(
        `INSERT INTO index_map_bucket (log_id, prefix, records)
         SELECT $1, prefix, substring($2::bytea FROM s FOR n) FROM unnest($3::int[], $4::int[], $5::int[]) AS t (prefix, s, n)
         ON CONFLICT (log_id, prefix) DO UPDATE SET records = EXCLUDED.records`,
        [logId, ...part],
      );
    }
  }

  async growPages(tx: Tx, logId: number, pages: readonly PageGrowth[]): Promise<void> {
    for (let at = 0; at < pages.length; at += ROWS) {
      const some = pages.slice(at, at + ROWS);
      await tx.query(
        `INSERT INTO index_map_page AS p (log_id, key, page, before, indexes)
         SELECT $1, key, page, before, decode(indexes, 'hex')
         FROM unnest($2::bytea[], $3::int[], $4::bytea[], $5::text[]) AS t (key, page, before, indexes)
         ON CONFLICT (log_id, key, page) DO UPDATE SET indexes = p.indexes || EXCLUDED.indexes`,
        [
          logId,
          some.map(({ key }) => Buffer.from(key)),
          some.map(({ page }) => page),
          some.map(({ before }) => Buffer.from(before)),
          some.map(({ indexes }) => indexes.map((index) => index.toString(16).padStart(16, '0')).join('')),
        ],
      );
    }
  }

  /** Moves the map from `old` to what it is now made of; its root is not on record yet. */
  async advance(tx: Tx, logId: number, old: MapState, size: bigint, root: Hash, now: Date): Promise<void> {
    const rows = (await tx.query(
      `UPDATE index_map_state SET size = $3, root = $4, record_index = NULL, changed_at = $5
       WHERE log_id = $1 AND size = $2 RETURNING size`,
      [logId, old.size.toString(), size.toString(), Buffer.from(root), now],
    )) as [unknown[], number];
    if (rows[1] !== 1) throw new Error(`The map of log ${logId} moved under its writer.`);
  }

  async noteRecord(tx: Tx, logId: number, recordIndex: bigint): Promise<void> {
    await tx.query('UPDATE index_map_state SET record_index = $2 WHERE log_id = $1', [logId, recordIndex.toString()]);
  }
}

interface EntryRecord {
  index: string;
  entry: Buffer;
  raw: Buffer | null;
  body: Buffer | null;
  vendor_id: string | null;
  application_id: string | null;
  certificate: Buffer | null;
  mentions: string;
}

function toKeyedRow(row: EntryRecord): KeyedRow {
  return {
    index: BigInt(row.index),
    entry: row.entry,
    mentions: row.mentions === '' ? [] : row.mentions.split('\n'),
    ...(row.raw && { raw: row.raw }),
    ...(row.body && { body: Uint8Array.from(row.body) }),
    ...(row.vendor_id !== null && { vendorId: row.vendor_id }),
    ...(row.application_id !== null && { applicationId: row.application_id }),
    ...(row.certificate && { certificate: row.certificate }),
  };
}

export function toState(row: StateRecord): MapState {
  return {
    size: BigInt(row.size),
    root: Uint8Array.from(row.root),
    ...(row.record_index !== null && { recordIndex: BigInt(row.record_index) }),
    changedAt: row.changed_at,
  };
}

/** Rows in one statement, in order of prefix: a few megabytes. */
const ROWS = 4096;

type Slice = [bytes: Buffer, prefixes: string, starts: string, lengths: string];

function* slices(parts: ReadonlyMap<number, Uint8Array>): Generator<Slice> {
  const sorted = [...parts].sort(([a], [b]) => a - b);
  for (let at = 0; at < sorted.length; at += ROWS) {
    const some = sorted.slice(at, at + ROWS);
    const starts: number[] = [];
    let next = 1;
    for (const [, bytes] of some) {
      starts.push(next);
      next += bytes.length;
    }
    yield [
      Buffer.concat(some.map(([, bytes]) => bytes)),
      numberArray(some.map(([prefix]) => prefix)),
      numberArray(starts),
      numberArray(some.map(([, bytes]) => bytes.length)),
    ];
  }
}
