import { Injectable } from '@nestjs/common';
import { concatBytes, encodeHex, parseBase64Url } from '@margo-trust/bytes';
import { hashLeaf } from '@margo-trust/merkle';
import {
  encodeEntryBundle,
  inclusionFromNodes,
  consistencyFromTiles,
  hashesForConsistency,
  placesForInclusion,
  tilePath,
  TileNodes,
  tilesForNodes,
  type TileRef,
  type TreeNode,
} from '@margo-trust/tlog';
import type { Hash } from '@margo-trust/merkle';
import { Db } from '../db/db.ts';
import {
  refuseDamagedLeaves,
  refuseDamagedStatement,
  refuseDamagedTile,
  refuseDamagedTail,
  refuseUnsealedHead,
} from './damage.ts';
import { LogIdentity } from './log-identity.ts';
import { LogFault } from './log.fault.ts';
import { toHead, type CommittedHead, type Head } from './log.store.ts';

/** An entry as the database keeps it, without the statement. */
export interface EntryRecord {
  readonly index: bigint;
  readonly entry: Uint8Array;
  /** The leaf, where it is not `entry`. */
  readonly raw?: Uint8Array;
  readonly contentType: string;
  readonly issuer: string;
  readonly subject: string;
  readonly vendorId?: string;
  readonly applicationId?: string;
  readonly version?: string;
  readonly certificate?: Uint8Array;
  readonly registeredAt: Date;
}

/** A statement's parts; together with receipts they make the Transparent Statement. */
export interface StoredStatement {
  /** With an empty unprotected header. */
  readonly body: Uint8Array;
  readonly chain: readonly Uint8Array[];
  readonly timestampToken?: Uint8Array;
}

export interface EntryRow {
  index: string;
  entry: Buffer;
  content_type: string;
  issuer: string;
  subject: string;
  vendor_id: string | null;
  application_id: string | null;
  version: string | null;
  certificate: Buffer | null;
  raw: Buffer | null;
  registered_at: Date;
}

const TILE_WIDTH = 256;
/** Leaf indices are signed 64-bit numbers in the database; callers may ask for tiles up to 2^56. */
const TILE_LIMIT = (1n << 63n) / BigInt(TILE_WIDTH) - 1n;
const CACHED_TILES = 2048; // × 8 kB = 16 MB
const CACHED_NODES = 4096; // × 16 kB = 64 MB: the lowest level of a million entries

/** An entry's index and the head that first covered it: what its receipt is made from. */
export interface SealedEntry {
  readonly index: bigint;
  readonly head: CommittedHead;
}

interface Asked {
  readonly entry: Uint8Array;
  readonly resolve: (found: SealedEntry | undefined) => void;
  readonly reject: (error: unknown) => void;
}

const MOST_ASKED = 256;

/** Reads the log. What it returns of the tree depends on nothing but its arguments: committed leaves never change. */
@Injectable()
export class LogReader {
  private readonly tiles = new Map<string, Uint8Array>();
  private readonly nodes = new Map<string, TileNodes>();
  private asked: Asked[] = [];
  private asking: Promise<void> | undefined;
  /** By level, the last tile as far as it was read. */
  private readonly tails = new Map<number, { readonly key: string; readonly hashes: Uint8Array }>();

  constructor(
    private readonly db: Db,
    private readonly identity: LogIdentity,
  ) {}

  async findHead(): Promise<(Head & CommittedHead) | undefined> {
    const askedAt = performance.now();
    const [row] = await this.db.query<Parameters<typeof toHead>[0] & { sealed: Buffer | null }>(
      `SELECT head.*, seal.root AS sealed FROM log_head head LEFT JOIN log_seal seal USING (log_id, size)
       WHERE log_id = $1`,
      [this.identity.logId],
    );
    if (!row) return undefined;
    const head = toHead(row);
    refuseUnsealedHead(head, row.sealed);
    return { ...head, askedAt };
  }

  async loadHead(): Promise<Head & CommittedHead> {
    const head = await this.findHead();
    if (!head) throw new LogFault('log/not-open', 'This registry has not been founded yet: it has no log.');
    return head;
  }

  /**
   * The first head that covers the entry: what its receipt is dated by, so that asking again years later proves the same
   * time. Never a tree of one leaf, which a receipt cannot express.
   */
  async loadSeal(index: bigint): Promise<CommittedHead> {
    const askedAt = performance.now();
    const [row] = await this.db.query<{ size: string; root: Buffer; committed_at: Date }>(
      `SELECT size, root, committed_at FROM log_seal
       WHERE log_id = $1 AND size > $2 AND size > 1 ORDER BY size LIMIT 1`,
      [this.identity.logId, index.toString()],
    );
    if (!row) throw new Error(`No head covers entry ${index}.`);
    return { size: BigInt(row.size), root: plain(row.root), committedAt: row.committed_at, askedAt };
  }

  /** {@link findByEntry} and {@link loadSeal} in one question, and one for all who ask while the last is on its way. */
  findSealed(entry: Uint8Array): Promise<SealedEntry | undefined> {
    return new Promise((resolve, reject) => {
      this.asked.push({ entry, resolve, reject });
      this.asking ??= this.ask().finally(() => (this.asking = undefined));
    });
  }

  private async ask(): Promise<void> {
    while (this.asked.length > 0) {
      const asked = this.asked.splice(0, MOST_ASKED);
      try {
        const found = await this.findAllSealed(asked.map(({ entry }) => entry));
        for (const { entry, resolve } of asked) resolve(found.get(encodeHex(entry)));
      } catch (error) {
        for (const { reject } of asked) reject(error);
      }
    }
  }

  private async findAllSealed(entries: readonly Uint8Array[]): Promise<Map<string, SealedEntry>> {
    const askedAt = performance.now();
    const rows = await this.db.query<{ entry: Buffer; index: string; size: string; root: Buffer; committed_at: Date }>(
      `SELECT e.entry, e.index, seal.size, seal.root, seal.committed_at
       FROM log_entry e CROSS JOIN LATERAL (
         SELECT size, root, committed_at FROM log_seal s
         WHERE s.log_id = $1 AND s.size > e.index AND s.size > 1 ORDER BY s.size LIMIT 1) seal
       WHERE e.log_id = $1 AND e.entry = ANY($2)`,
      [this.identity.logId, entries.map((entry) => Buffer.from(entry))],
    );
    return new Map(
      rows.map((row) => {
        const head = { size: BigInt(row.size), root: plain(row.root), committedAt: row.committed_at, askedAt };
        return [encodeHex(row.entry), { index: BigInt(row.index), head }];
      }),
    );
  }

  /** The head that the log had at this size, if it ever committed one. */
  async findSeal(size: bigint): Promise<CommittedHead | undefined> {
    if (size >= 1n << 63n) return undefined;
    const askedAt = performance.now();
    const [row] = await this.db.query<{ root: Buffer; committed_at: Date }>(
      'SELECT root, committed_at FROM log_seal WHERE log_id = $1 AND size = $2',
      [this.identity.logId, size.toString()],
    );
    return row && { size, root: plain(row.root), committedAt: row.committed_at, askedAt };
  }

  async findByEntry(entry: Uint8Array): Promise<EntryRecord | undefined> {
    return this.findOne('entry = $2', Buffer.from(entry));
  }

  async findByIndex(index: bigint): Promise<EntryRecord | undefined> {
    if (index >= 1n << 63n) return undefined;
    return this.findOne('index = $2', index.toString());
  }

  /** By index or EntryID, as a caller wrote it. */
  async findById(id: string): Promise<EntryRecord | undefined> {
    if (/^\d{1,19}$/.test(id)) return this.findByIndex(BigInt(id));
    if (/^[\w-]{43}$/.test(id)) return this.findByEntry(parseBase64Url(id));
    return undefined;
  }

  /** What the public may read: neither erased nor restricted ones. See WithholdingReader for those. */
  /** Those that there are, by index. */
  async findByIndexes(indexes: readonly bigint[]): Promise<EntryRecord[]> {
    const rows = await this.db.query<EntryRow>(
      'SELECT * FROM log_entry WHERE log_id = $1 AND index = ANY($2::bigint[]) ORDER BY index',
      [this.identity.logId, indexes.map(String)],
    );
    return rows.map(toRecord);
  }

  async findStatement(entry: Uint8Array): Promise<StoredStatement | undefined> {
    const [row] = await this.db.query<{ body: Buffer; certificates: Buffer[] | null; timestamp_token: Buffer | null }>(
      `SELECT body, certificates, timestamp_token
       FROM statement LEFT JOIN certificate_chain ON id = chain_id WHERE entry = $1`,
      [Buffer.from(entry)],
    );
    if (!row) return undefined;
    refuseDamagedStatement(entry, row.body);
    return {
      body: plain(row.body),
      chain: (row.certificates ?? []).map(plain),
      ...(row.timestamp_token && { timestampToken: plain(row.timestamp_token) }),
    };
  }

  /** The hash that the tree has in place of an entry. */
  async leafHash(index: bigint): Promise<Hash> {
    const position = Number(index % BigInt(TILE_WIDTH));
    const tile = await this.findTile({ level: 0, index: index / BigInt(TILE_WIDTH), width: position + 1 });
    if (!tile) throw new Error(`The log has no entry ${index}.`);
    return tile.subarray(position * 32);
  }

  async inclusionPath(index: bigint, size: bigint): Promise<Hash[]> {
    const [path] = await this.inclusionPaths([index], size);
    return path ?? [];
  }

  /** The paths of several leaves in one tree: each tile is read once, and hashed once for as long as it is remembered. */
  async inclusionPaths(indexes: readonly bigint[], size: bigint): Promise<Hash[][]> {
    const places = indexes.map((index) => placesForInclusion(index, size));
    const nodes = new Map<string, TileNodes>();
    const missing = new Map<string, TileRef>();
    for (const { tile } of places.flat(2)) {
      const name = nameOf(tile);
      if (nodes.has(name) || missing.has(name)) continue;
      const known = this.nodes.get(name) ?? this.nodes.get(nameOf({ ...tile, width: TILE_WIDTH }));
      if (known) nodes.set(name, known);
      else missing.set(name, tile);
    }
    const load = async ([name, tile]: [string, TileRef]) => void nodes.set(name, await this.loadNodes(tile));
    if (missing.size > 0) await Promise.all([...missing].map(load));
    const find = (tile: TileRef): TileNodes => {
      const found = nodes.get(nameOf(tile));
      if (!found) throw new Error(`Tile ${tilePath(tile)} was not asked for.`);
      return found;
    };
    return places.map((path) => inclusionFromNodes(path, find));
  }

  async consistencyPath(size1: bigint, size2: bigint): Promise<Hash[]> {
    const loaded = await this.loadTiles(hashesForConsistency(size1, size2), size2);
    return consistencyFromTiles(size1, size2, loaded);
  }

  /** A tile as wide as asked for or wider. Neither full tiles nor partial ones ever change. */
  private async loadNodes(tile: TileRef): Promise<TileNodes> {
    const full = tile.level > 7 ? undefined : await this.findFullTile(tile.level, tile.index);
    const bytes = full ?? (await this.findTile(tile));
    if (!bytes) throw new Error(`Tile ${tilePath(tile)} of a committed tree is missing.`);
    const nodes = new TileNodes(bytes);
    if (this.nodes.size >= CACHED_NODES) this.nodes.delete(this.nodes.keys().next().value ?? '');
    this.nodes.set(nameOf({ ...tile, width: nodes.width }), nodes);
    return nodes;
  }

  /** The hashes of a tile, or `undefined` when the log is not that large (C2SP tlog-tiles). */
  async findTile({ level, index, width }: TileRef): Promise<Uint8Array | undefined> {
    if (level > 7 || index >= TILE_LIMIT) return undefined;
    const full = await this.findFullTile(level, index);
    if (full) return full.subarray(0, width * 32);
    if (width === TILE_WIDTH) return undefined;
    return this.findTail(level, index, width);
  }

  async findBundle(index: bigint, width: number): Promise<Uint8Array | undefined> {
    if (index >= TILE_LIMIT) return undefined;
    const leaves = await this.leaves(index * BigInt(TILE_WIDTH), width);
    const tile = leaves.length === width ? await this.findTile({ level: 0, index, width }) : undefined;
    if (!tile) return undefined;
    refuseDamagedLeaves(`the entries from ${index * BigInt(TILE_WIDTH)}`, leaves, tile);
    return encodeEntryBundle(leaves);
  }

  private async loadTiles(nodes: readonly TreeNode[], size: bigint): Promise<(ref: TileRef) => Uint8Array> {
    const refs = tilesForNodes(nodes, size);
    const loaded = new Map<string, Uint8Array>();
    await Promise.all(
      refs.map(async (ref) => {
        const tile = await this.findTile(ref);
        if (!tile) throw new Error(`Tile ${tilePath(ref)} of a committed tree is missing.`);
        loaded.set(tilePath(ref), tile);
      }),
    );
    return (ref) => {
      const tile = loaded.get(tilePath(ref));
      if (!tile) throw new Error(`Tile ${tilePath(ref)} was not asked for.`);
      return tile;
    };
  }

  private async findFullTile(level: number, index: bigint): Promise<Uint8Array | undefined> {
    const key = `${level}/${index}`;
    const cached = this.tiles.get(key);
    if (cached) return cached;
    const [row] = await this.db.query<{ hashes: Buffer; root: Buffer }>(
      'SELECT hashes, root FROM log_tile WHERE log_id = $1 AND level = $2 AND index = $3',
      [this.identity.logId, level, index.toString()],
    );
    if (!row) return undefined;
    const hashes = plain(row.hashes);
    refuseDamagedTile(`tile ${key}`, splitHashes(hashes), row.root);
    if (this.tiles.size >= CACHED_TILES) this.tiles.delete(this.tiles.keys().next().value ?? '');
    this.tiles.set(key, hashes);
    return hashes;
  }

  /**
   * The beginning of the last tile of a level, which is not full yet: from the rows that it will be made of, up to the head that
   * vouches for them.
   */
  private async findTail(level: number, index: bigint, width: number): Promise<Uint8Array | undefined> {
    const key = `${level}/${index}`;
    const known = this.tails.get(level);
    if (known?.key === key && known.hashes.length >= width * 32) return known.hashes.subarray(0, width * 32);
    const head = await this.loadHead();
    const first = index * BigInt(TILE_WIDTH);
    const count = Number((head.size >> BigInt(8 * level)) - first);
    if (count < width) return undefined;
    // Filled since it was looked for.
    if (count >= TILE_WIDTH) return (await this.findFullTile(level, index))?.subarray(0, width * 32);
    const hashes = level === 0 ? await this.leafHashes(first, count) : await this.tileRoots(level - 1, first, count);
    refuseDamagedTail(`the last tile of level ${level}`, level, hashes, head);
    const tail = concatBytes(...hashes);
    this.tails.set(level, { key, hashes: tail });
    return tail.subarray(0, width * 32);
  }

  private async leafHashes(first: bigint, count: number): Promise<Hash[]> {
    return (await this.leaves(first, count)).map(hashLeaf);
  }

  private async leaves(first: bigint, count: number): Promise<Uint8Array[]> {
    const rows = await this.db.query<{ leaf: Buffer }>(
      'SELECT coalesce(raw, entry) AS leaf FROM log_entry WHERE log_id = $1 AND index >= $2 AND index < $3 ORDER BY index',
      [this.identity.logId, first.toString(), (first + BigInt(count)).toString()],
    );
    return rows.map((row) => plain(row.leaf));
  }

  private async tileRoots(level: number, first: bigint, count: number): Promise<Hash[]> {
    const rows = await this.db.query<{ root: Buffer }>(
      'SELECT root FROM log_tile WHERE log_id = $1 AND level = $2 AND index >= $3 AND index < $4 ORDER BY index',
      [this.identity.logId, level, first.toString(), (first + BigInt(count)).toString()],
    );
    return rows.map((row) => plain(row.root));
  }

  private async findOne(condition: string, value: unknown): Promise<EntryRecord | undefined> {
    const [row] = await this.db.query<EntryRow>(`SELECT * FROM log_entry WHERE log_id = $1 AND ${condition}`, [
      this.identity.logId,
      value,
    ]);
    return row && toRecord(row);
  }
}

export function toRecord(row: EntryRow): EntryRecord {
  return {
    index: BigInt(row.index),
    entry: plain(row.entry),
    ...(row.raw && { raw: plain(row.raw) }),
    contentType: row.content_type,
    issuer: row.issuer,
    subject: row.subject,
    ...(row.vendor_id !== null && { vendorId: row.vendor_id }),
    ...(row.application_id !== null && { applicationId: row.application_id }),
    ...(row.version !== null && { version: row.version }),
    ...(row.certificate && { certificate: plain(row.certificate) }),
    registeredAt: row.registered_at,
  };
}

function splitHashes(hashes: Uint8Array): Hash[] {
  return Array.from({ length: hashes.length / 32 }, (_, i) => hashes.subarray(i * 32, i * 32 + 32));
}

function nameOf({ level, index, width }: TileRef): string {
  return `${level}/${index}/${width}`;
}

/** A Buffer of node-postgres shares its memory with others: the cores get bytes of their own. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}
