import { compareBytes } from '@margo-trust/bytes';
import type { Hash } from '@margo-trust/merkle';
import { hashKey, type IndexKey } from './key.ts';
import {
  bitAt,
  EMPTY,
  firstOfRight,
  hashLink,
  join,
  nodeOfRecords,
  RECORD_BYTES,
  recordAt,
  type Node,
} from './node.ts';
import type { MapProof } from './proof.ts';

/** Depths at which tiles begin; below the last one lie buckets. */
export const TILE_DEPTHS = [0, 6, 12] as const;
export const BUCKET_DEPTH = 18;
const TILE_WIDTH = 64;
const SLOT_BYTES = 33;
export const TILE_BYTES = TILE_WIDTH * SLOT_BYTES;

const BUCKETS_A_STEP = 64;
const TILES_A_STEP = 8;

export type TileDepth = (typeof TILE_DEPTHS)[number];

/**
 * The parts in which a map is stored, by the bits of the keys in them. A bucket holds the records of all keys that begin
 * alike, sorted; a tile the 64 nodes six levels below its own. Whoever changes a map needs the tiles and buckets on the
 * way to the keys, and no other.
 */
export interface MapParts {
  readonly tiles: Readonly<Record<TileDepth, Map<number, Uint8Array>>>;
  readonly buckets: Map<number, Uint8Array>;
}

/** What one entry did to one of its keys. */
export interface Addition {
  readonly key: Hash;
  /** How many entries the key had before. */
  readonly position: bigint;
  /** The chain before. */
  readonly before: Hash;
  /** Index of the key's first entry. */
  readonly first: bigint;
}

/**
 * A map from keys to what a log holds about each: how many entries, and a hash chain over their indices and leaves. The same
 * entries give the same root, in whatever steps they were added.
 *
 * Memory: about 90 bytes for each key, and 16 MB. With `parts` of a stored map, those that were loaded and those made new.
 */
export class IndexMap {
  private readonly parts: MapParts;
  private readonly dirty = new Set<number>();
  private readonly touched: Record<TileDepth, Set<number>> = { 0: new Set(), 6: new Set(), 12: new Set() };
  private readonly changed = new Set<number>();

  constructor(parts: MapParts = { tiles: { 0: new Map(), 6: new Map(), 12: new Map() }, buckets: new Map() }) {
    this.parts = parts;
  }

  /** Adds the entry at `index` with the hash of its leaf. Entries come in the order of their indices, each once. */
  add(index: bigint, leaf: Hash, keys: readonly IndexKey[]): Addition[] {
    return this.addPlaced(
      index,
      leaf,
      keys.map((key) => hashKey(key)),
    );
  }

  /** The same where the places of the keys are known already ({@link hashKey}). */
  addPlaced(index: bigint, leaf: Hash, places: readonly Hash[]): Addition[] {
    return places.map((place) => this.addTo(place, index, leaf));
  }

  /** The root over all that was added. Costs the hashes on the way from what has changed since it was asked last. */
  root(): Hash {
    this.refresh();
    return levelsOf(this.parts.tiles[0].get(0))[0]?.[0]?.hash ?? EMPTY;
  }

  /** What the map says of a key, to be checked with `verifyMapProof` against {@link root}. */
  prove(key: IndexKey): MapProof {
    this.refresh();
    const wanted = hashKey(key);
    const siblings: Hash[] = [];
    for (const depth of TILE_DEPTHS) {
      const tile = this.parts.tiles[depth].get(prefixOf(wanted, depth));
      const nodes = levelsOf(tile);
      for (let level = 0; level < 6; level += 1) {
        const place = prefixOf(wanted, depth + level) & (2 ** level - 1);
        const node = nodes[level]?.[place];
        if (!node || node.isLeaf) return { siblings, ...this.leafBelow(wanted, depth + level) };
        const sibling = (place << 1) | (1 - bitAt(wanted, depth + level));
        siblings.push(nodes[level + 1]?.[sibling]?.hash ?? EMPTY);
      }
    }
    return { siblings, ...this.proveInBucket(wanted, siblings) };
  }

  /** The parts that changed since this was asked last, by prefix. {@link root} brings the tiles up to date. */
  takeChanges(): MapParts {
    this.refresh();
    const taken = (from: Map<number, Uint8Array>, prefixes: Set<number>) => {
      const found = new Map([...prefixes].map((prefix) => [prefix, from.get(prefix) ?? new Uint8Array(0)]));
      prefixes.clear();
      return found;
    };
    const { tiles, buckets } = this.parts;
    return {
      buckets: taken(buckets, this.changed),
      tiles: {
        0: taken(tiles[0], this.touched[0]),
        6: taken(tiles[6], this.touched[6]),
        12: taken(tiles[12], this.touched[12]),
      },
    };
  }

  private addTo(key: Hash, index: bigint, leaf: Hash): Addition {
    const prefix = prefixOf(key, BUCKET_DEPTH);
    this.dirty.add(prefix);
    let bucket = this.parts.buckets.get(prefix) ?? new Uint8Array(0);
    const { place, isThere } = findRecord(bucket, key);
    if (!isThere) {
      const grown = new Uint8Array(bucket.length + RECORD_BYTES);
      grown.set(bucket.subarray(0, place * RECORD_BYTES));
      grown.set(bucket.subarray(place * RECORD_BYTES), (place + 1) * RECORD_BYTES);
      const fresh = recordAt(grown, place).fill(0);
      fresh.set(key);
      fresh.set(key, 40);
      new DataView(grown.buffer).setBigUint64(place * RECORD_BYTES + 72, index);
      bucket = grown;
      this.parts.buckets.set(prefix, bucket);
    }
    const record = recordAt(bucket, place);
    const view = new DataView(record.buffer, record.byteOffset, RECORD_BYTES);
    const position = view.getBigUint64(32);
    const before = record.slice(40, 72);
    view.setBigUint64(32, position + 1n);
    record.set(hashLink(before, index, leaf), 40);
    return { key, position, before, first: view.getBigUint64(72) };
  }

  /**
   * Does what {@link root} would have to do, with pauses: each step takes about a millisecond. To be run to its end before
   * anything else is asked or added.
   */
  *settle(): Generator<undefined, void> {
    let done = 0;
    let below = new Map<number, Node | undefined>();
    for (const prefix of this.dirty) {
      const bucket = this.parts.buckets.get(prefix) ?? new Uint8Array(0);
      below.set(prefix, nodeOfRecords(bucket, 0, bucket.length / RECORD_BYTES, BUCKET_DEPTH));
      this.changed.add(prefix);
      if (++done % BUCKETS_A_STEP === 0) yield;
    }
    this.dirty.clear();
    for (const depth of [12, 6, 0] as const) {
      const tiles = this.parts.tiles[depth];
      for (const [prefix, node] of below) {
        const tile = tiles.get(prefix >> 6) ?? new Uint8Array(TILE_BYTES);
        writeSlot(tile, prefix & 63, node);
        tiles.set(prefix >> 6, tile);
        this.touched[depth].add(prefix >> 6);
      }
      const changed = new Set([...below.keys()].map((prefix) => prefix >> 6));
      below = new Map();
      for (const prefix of changed) {
        below.set(prefix, levelsOf(tiles.get(prefix))[0]?.[0]);
        if (++done % TILES_A_STEP === 0) yield;
      }
    }
  }

  private refresh(): void {
    for (const steps = this.settle(); !steps.next().done;);
  }

  private proveInBucket(wanted: Hash, siblings: Hash[]): Pick<MapProof, 'leaf'> {
    const bucket = this.parts.buckets.get(prefixOf(wanted, BUCKET_DEPTH)) ?? new Uint8Array(0);
    let [from, to] = [0, bucket.length / RECORD_BYTES];
    for (let depth = BUCKET_DEPTH; to - from > 1; depth += 1) {
      const middle = firstOfRight(bucket, from, to, depth);
      const isRight = bitAt(wanted, depth) === 1;
      const other = isRight
        ? nodeOfRecords(bucket, from, middle, depth + 1)
        : nodeOfRecords(bucket, middle, to, depth + 1);
      siblings.push(other?.hash ?? EMPTY);
      [from, to] = isRight ? [middle, to] : [from, middle];
    }
    return from === to ? {} : { leaf: leafOf(recordAt(bucket, from)) };
  }

  /** The one record below a node that is a leaf although it lies above the buckets; nothing when it is empty. */
  private leafBelow(wanted: Hash, depth: number): Pick<MapProof, 'leaf'> {
    const first = prefixOf(wanted, depth) * 2 ** (BUCKET_DEPTH - depth);
    const end = first + 2 ** (BUCKET_DEPTH - depth);
    for (const [prefix, bucket] of this.parts.buckets) {
      if (prefix >= first && prefix < end && bucket.length > 0) return { leaf: leafOf(recordAt(bucket, 0)) };
    }
    return {};
  }
}

/** An entry as the map is made of it. */
export interface IndexedEntry {
  /** Hash of the leaf, as in the log's tree. */
  readonly leaf: Hash;
  readonly keys: readonly IndexKey[];
}

/**
 * The root of the map over a log's entries, from the first one on. `keysOfStatement` and its neighbours tell the keys; where
 * several roots are to be compared on the way, use {@link IndexMap}, which goes on from the last.
 */
export function recomputeMapRoot(entries: Iterable<IndexedEntry>): Hash {
  const map = new IndexMap();
  let index = 0n;
  for (const { leaf, keys } of entries) map.add(index++, leaf, keys);
  return map.root();
}

/** The first `depth` bits of a key as a number; at most 31. */
export function prefixOf(key: Uint8Array, depth: number): number {
  return depth === 0 ? 0 : new DataView(key.buffer, key.byteOffset, 4).getUint32(0) >>> (32 - depth);
}

/** The record of a key in a bucket, if it is there. */
export function findInBucket(bucket: Uint8Array, key: Hash): { count: bigint; chain: Hash; first: bigint } | undefined {
  const { place, isThere } = findRecord(bucket, key);
  if (!isThere) return undefined;
  const record = recordAt(bucket, place);
  const view = new DataView(record.buffer, record.byteOffset, RECORD_BYTES);
  return { count: view.getBigUint64(32), chain: record.slice(40, 72), first: view.getBigUint64(72) };
}

function leafOf(record: Uint8Array): NonNullable<MapProof['leaf']> {
  const count = new DataView(record.buffer, record.byteOffset, RECORD_BYTES).getBigUint64(32);
  return { key: record.slice(0, 32), count, chain: record.slice(40, 72) };
}

function findRecord(bucket: Uint8Array, key: Hash): { place: number; isThere: boolean } {
  let [low, high] = [0, bucket.length / RECORD_BYTES];
  while (low < high) {
    const middle = (low + high) >> 1;
    const order = compareBytes(recordAt(bucket, middle).subarray(0, 32), key);
    if (order === 0) return { place: middle, isThere: true };
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return { place: low, isThere: false };
}

/** A slot is 0, 1 or 2 for nothing, a leaf or an inner node, and the node's hash. */
function writeSlot(tile: Uint8Array, slot: number, node: Node | undefined): void {
  const at = slot * SLOT_BYTES;
  tile.fill(0, at, at + SLOT_BYTES);
  if (!node) return;
  tile[at] = node.isLeaf ? 1 : 2;
  tile.set(node.hash, at + 1);
}

/** The nodes of a tile, from the one at its depth, alone in the first list, to the 64 in its slots. */
function levelsOf(tile: Uint8Array | undefined): (Node | undefined)[][] {
  let nodes: (Node | undefined)[] = Array.from({ length: TILE_WIDTH }, (_, slot) => {
    const at = slot * SLOT_BYTES;
    const kind = tile?.[at] ?? 0;
    return kind === 0 || !tile ? undefined : { hash: tile.slice(at + 1, at + SLOT_BYTES), isLeaf: kind === 1 };
  });
  const levels = [nodes];
  while (nodes.length > 1) {
    nodes = Array.from({ length: nodes.length / 2 }, (_, i) => join(nodes[2 * i], nodes[2 * i + 1]));
    levels.unshift(nodes);
  }
  return levels;
}
