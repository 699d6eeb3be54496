import { encodeHex } from '@margo-trust/bytes';
import {
  appendLeaves,
  emptyRange,
  hashLeaf,
  provePathsOfAppended,
  rootOfRange,
  type CompactRange,
  type Hash,
} from '@margo-trust/merkle';
import { concatBytes } from '@margo-trust/bytes';
import type { Tx } from '../db/db.ts';
import { refuseDamagedTail, rootOfTile } from './damage.ts';
import type { FullTile, Head, LogStore, NewEntry } from './log.store.ts';

/** Where an entry lies after an append; `path` is absent when the log held it before. */
export interface Placed {
  readonly index: bigint;
  readonly path?: readonly Hash[];
}

export interface Appended {
  /** Not signed by anybody yet, and not to be: only a committed root may be. */
  readonly head: Head;
  /** One for each entry given, in that order. */
  readonly placed: readonly Placed[];
}

const TILE_WIDTH = 256;

/**
 * Puts entries into the tree inside the caller's transaction: takes the head, drops what the log already holds, writes
 * entries and completed tiles, moves the head. The inclusion paths come out of the old compact range and the batch
 * alone, without reading a tile (RFC 9162 §2.1.3.1).
 *
 * `locked` is the head that the caller's transaction holds already, `known` what {@link LogStore.indexesOf} said of the entries
 * since. What can be asked or written together is, in one round trip: each of them waits for its turn in the event loop.
 *
 * A crash before the commit leaves nothing; after it, everything.
 */
export async function appendEntries(
  tx: Tx,
  store: LogStore,
  logId: number,
  candidates: readonly NewEntry[],
  now: Date,
  locked?: Head,
  known?: ReadonlyMap<string, bigint>,
): Promise<Appended> {
  const [head, held] = await Promise.all([
    locked ?? store.lockHead(tx, logId),
    known ?? store.indexesOf(tx, logId, candidates),
  ]);
  const places = new Map(held);
  const fresh: NewEntry[] = [];
  const indexes = candidates.map((candidate) => {
    const key = encodeHex(candidate.entry);
    const existing = places.get(key);
    if (existing !== undefined) return existing;
    const index = head.size + BigInt(fresh.length);
    fresh.push(candidate);
    places.set(key, index);
    return index;
  });
  if (fresh.length === 0) return { head, placed: indexes.map((index) => ({ index })) };

  const range: CompactRange = head.size === 0n ? emptyRange() : { size: head.size, hashes: head.frontier };
  const leaves = fresh.map(({ raw, entry }) => hashLeaf(raw ?? entry));
  const paths = provePathsOfAppended(range, leaves);
  const grown = appendLeaves(range, leaves);
  // Heads never go back in time, though the clocks of two replicas may: receipts are dated by them.
  const at = now < head.committedAt ? head.committedAt : now;
  const next = { size: grown.size, root: rootOfRange(grown), frontier: grown.hashes, committedAt: at };

  const tiles = await completeTiles(tx, store, logId, head, leaves);
  const written = [
    store.insertEntries(tx, logId, head.size, fresh, at),
    ...tiles.map((tile) => store.insertTile(tx, logId, tile)),
  ];
  const [moved] = await Promise.all([store.advanceHead(tx, logId, head, next), ...written]);
  return {
    head: moved,
    placed: indexes.map((index) => {
      const path = index >= head.size ? paths[Number(index - head.size)] : undefined;
      return { index, ...(path && { path }) };
    }),
  };
}

/** Tiles that the append filled, level by level: a full tile's hash is one hash of the level above (C2SP tlog-tiles). */
async function completeTiles(
  tx: Tx,
  store: LogStore,
  logId: number,
  head: Head,
  leaves: readonly Hash[],
): Promise<FullTile[]> {
  const tiles: FullTile[] = [];
  let added = leaves;
  let before = head.size; // hashes at this level that lie in full subtrees before the append
  for (let level = 0; added.length > 0; level += 1) {
    const first = before - (before % BigInt(TILE_WIDTH));
    const start = Number(before - first);
    if (start + added.length < TILE_WIDTH) break;

    const tail = start === 0 ? [] : await loadTail(tx, store, logId, level, first, start);
    refuseDamagedTail(`the last tile of level ${level}`, level, tail, head);
    const hashes = [...tail, ...added];
    const roots: Hash[] = [];
    for (let at = 0; at + TILE_WIDTH <= hashes.length; at += TILE_WIDTH) {
      const full = hashes.slice(at, at + TILE_WIDTH);
      const root = rootOfTile(full);
      const index = (first + BigInt(at)) / BigInt(TILE_WIDTH);
      tiles.push({ level, index, hashes: concatBytes(...full), root });
      roots.push(root);
    }
    added = roots;
    before = first / BigInt(TILE_WIDTH);
  }
  return tiles;
}

async function loadTail(
  tx: Tx,
  store: LogStore,
  logId: number,
  level: number,
  first: bigint,
  count: number,
): Promise<readonly Hash[]> {
  if (level > 0) return store.tileRoots(tx, logId, level - 1, first, count);
  return (await store.leaves(tx, logId, first, count)).map(hashLeaf);
}
