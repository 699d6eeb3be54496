import { Injectable } from '@nestjs/common';
import { BUCKET_DEPTH, prefixOf, TILE_DEPTHS, type MapParts } from '@margo-trust/index-map';
import type { Hash } from '@margo-trust/merkle';
import { Db } from '../../db/db.ts';
import { toState, type MapState } from './index-map.store.ts';
import { LogIdentity } from '../log-identity.ts';

/** The map at one moment, as far as one key needs it. */
export interface MapView {
  readonly state: MapState;
  readonly parts: MapParts;
}

/** Some indices of a key's entries, in order. */
export interface KeyPage {
  /** Entries of the key before the first of `indexes`. */
  readonly position: bigint;
  /** The chain before them. */
  readonly before: Hash;
  readonly indexes: readonly bigint[];
}

export const PAGE_ENTRIES = 256n;

@Injectable()
export class IndexMapReader {
  constructor(
    private readonly db: Db,
    private readonly identity: LogIdentity,
  ) {}

  /** How far the map is, and the log. Absent before genesis. */
  async findProgress(): Promise<{ logSize: bigint; isFrozen: boolean; state?: MapState } | undefined> {
    const [row] = await this.db.query<{ log_size: string; frozen: boolean } & NullableState>(
      `SELECT h.size AS log_size, h.frozen, s.size, s.root, s.record_index, s.changed_at
       FROM log_head h LEFT JOIN index_map_state s ON s.log_id = h.log_id WHERE h.log_id = $1`,
      [this.identity.logId],
    );
    if (!row) return undefined;
    const { log_size: size, frozen: isFrozen, ...state } = row;
    return { logSize: BigInt(size), isFrozen, ...(isState(state) && { state: toState(state) }) };
  }

  /**
   * What is needed to prove a key, in one statement and so of one moment. Beside the key's bucket the nearest on both sides:
   * where few keys are in the map, the way ends above the buckets, at a record that lies in one of those.
   */
  async findView(key: Hash): Promise<MapView | undefined> {
    const tile = (n: number) =>
      `(SELECT nodes FROM index_map_tile t WHERE t.log_id = s.log_id AND depth = ${TILE_DEPTHS[n] ?? 0} AND prefix = $${n + 3})`;
    const near = (condition: string, order: string) =>
      `(SELECT int4send(prefix) || records FROM index_map_bucket b
        WHERE b.log_id = s.log_id AND prefix ${condition} $2 ORDER BY prefix ${order} LIMIT 1)`;
    const [row] = await this.db.query<NullableState & Record<'t0' | 't1' | 't2' | 'above' | 'below', Buffer | null>>(
      `SELECT s.*, ${tile(0)} AS t0, ${tile(1)} AS t1, ${tile(2)} AS t2, ${near('>=', 'ASC')} AS above, ${near('<', 'DESC')} AS below
       FROM index_map_state s WHERE s.log_id = $1`,
      [this.identity.logId, prefixOf(key, BUCKET_DEPTH), ...TILE_DEPTHS.map((depth) => prefixOf(key, depth))],
    );
    if (!row || !isState(row)) return undefined;
    const tileMap = (depth: number, nodes: Buffer | null) =>
      new Map(nodes ? [[prefixOf(key, depth), Uint8Array.from(nodes)]] : []);
    const buckets = [row.above, row.below].flatMap((found) =>
      found ? [[found.readInt32BE(0), Uint8Array.from(found.subarray(4))] as const] : [],
    );
    const tiles = { 0: tileMap(0, row.t0), 6: tileMap(6, row.t1), 12: tileMap(12, row.t2) };
    return { state: toState(row), parts: { tiles, buckets: new Map(buckets) } };
  }

  /** Indices of a key's entries from position `from` to before `to`, and those before them on the same page. */
  async loadPages(key: Hash, from: bigint, to: bigint): Promise<KeyPage> {
    const first = from / PAGE_ENTRIES;
    const rows = await this.db.query<{ page: number; before: Buffer; indexes: Buffer }>(
      `SELECT page, before, indexes FROM index_map_page WHERE log_id = $1 AND key = $2 AND page >= $3 AND page <= $4 ORDER BY page`,
      [this.identity.logId, Buffer.from(key), Number(first), Number((to - 1n) / PAGE_ENTRIES)],
    );
    const [page] = rows;
    if (!page || BigInt(page.page) !== first) throw new Error('A page of the map is missing.');
    const position = first * PAGE_ENTRIES;
    const indexes = rows.flatMap((row) =>
      Array.from({ length: row.indexes.length / 8 }, (_, i) => row.indexes.readBigUInt64BE(i * 8)),
    );
    return { position, before: Uint8Array.from(page.before), indexes: indexes.slice(0, Number(to - position)) };
  }
}

interface NullableState {
  size: string | null;
  root: Buffer | null;
  record_index: string | null;
  changed_at: Date | null;
}

function isState(row: NullableState): row is NullableState & { size: string; root: Buffer; changed_at: Date } {
  return row.size !== null && row.root !== null && row.changed_at !== null;
}
