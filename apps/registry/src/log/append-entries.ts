import { areEqualBytes, concatBytes, encodeHex } from '@margo-trust/bytes';
import {
  appendLeaves,
  emptyRange,
  hashLeaf,
  provePathsOfAppended,
  rootOfRange,
  type CompactRange,
  type Hash,
} from '@margo-trust/merkle';
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

/** An append whose statements are on their way to the database. */
export interface SentAppend extends Appended {
  /** What comes of them. In PostgreSQL, one that fails takes the transaction with it. */
  readonly written: Promise<void>;
  /** For the next append, where it is known. */
  readonly tail: Tail | undefined;
}

/** The leaf hashes of the last tile, which is not full, of a tree: what the next append would read otherwise. */
export interface Tail extends Pick<Head, 'size' | 'root'> {
  readonly hashes: readonly Hash[];
}

/** What is known at the head that a transaction holds. */
interface Known {
  readonly head: Head;
  /** What {@link LogStore.indexesOf} said of the entries since. */
  readonly indexes: ReadonlyMap<string, bigint>;
  /** Used when it is of this head, and checked against it as a tile that is read would be. */
  readonly tail: Tail | undefined;
}

const TILE_WIDTH = 256;

/**
 * Puts entries into the tree inside the caller's transaction: takes the head, drops what the log already holds, writes
 * entries and completed tiles, moves the head. The inclusion paths come out of the old compact range and the batch
 * alone, without reading a tile (RFC 9162 §2.1.3.1).
 *
 * `locked` is the head, if the caller's transaction holds it already.
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
): Promise<Appended> {
  const [head, indexes] = await Promise.all([
    locked ?? store.lockHead(tx, logId),
    store.indexesOf(tx, logId, candidates),
  ]);
  const {
    written,
    tail: _,
    ...appended
  } = await sendAppend(tx, store, logId, candidates, now, {
    head,
    indexes,
    tail: undefined,
  });
  await written;
  return appended;
}

/**
 * As {@link appendEntries}, and does not wait for what it writes, all of which is sent when this returns: each round trip waits for its
 * turn in the event loop.
 */
export async function sendAppend(
  tx: Tx,
  store: LogStore,
  logId: number,
  candidates: readonly NewEntry[],
  now: Date,
  known: Known,
): Promise<SentAppend> {
  const { head } = known;
  const places = new Map(known.indexes);
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
  if (fresh.length === 0) {
    const placed = indexes.map((index) => ({ index }));
    return { head, placed, written: Promise.resolve(), tail: known.tail };
  }

  const range: CompactRange = head.size === 0n ? emptyRange() : { size: head.size, hashes: head.frontier };
  const leaves = fresh.map(({ raw, entry }) => hashLeaf(raw ?? entry));
  const paths = provePathsOfAppended(range, leaves);
  const grown = appendLeaves(range, leaves);
  // Heads never go back in time, though the clocks of two replicas may: receipts are dated by them.
  const at = now < head.committedAt ? head.committedAt : now;
  const next = { size: grown.size, root: rootOfRange(grown), frontier: grown.hashes, committedAt: at };

  const tail = isOf(head, known.tail) ? known.tail.hashes : undefined;
  const { tiles, rest } = await completeTiles(tx, store, logId, head, leaves, tail);
  const moved = store.nextHead(head, next);
  const written = Promise.all([
    store.insertEntries(tx, logId, head.size, fresh, at),
    ...tiles.map((tile) => store.insertTile(tx, logId, tile)),
    store.advanceHead(tx, logId, head, moved),
  ]);
  return {
    head: moved,
    placed: indexes.map((index) => {
      const path = index >= head.size ? paths[Number(index - head.size)] : undefined;
      return { index, ...(path && { path }) };
    }),
    written: written.then(() => undefined),
    tail: rest && { size: moved.size, root: moved.root, hashes: rest },
  };
}

function isOf(head: Head, tail: Tail | undefined): tail is Tail {
  return tail?.size === head.size && areEqualBytes(tail.root, head.root);
}

/**
 * Tiles that the append filled, level by level: a full tile's hash is one hash of the level above (C2SP tlog-tiles).
 * `known` are the leaf hashes of the last tile before, where nobody need ask for them; `rest` those of the last one after.
 */
async function completeTiles(
  tx: Tx,
  store: LogStore,
  logId: number,
  head: Head,
  leaves: readonly Hash[],
  known: readonly Hash[] | undefined,
): Promise<{ tiles: FullTile[]; rest: readonly Hash[] | undefined }> {
  const tiles: FullTile[] = [];
  let rest = known && [...known, ...leaves];
  let added = leaves;
  let before = head.size; // hashes at this level that lie in full subtrees before the append
  for (let level = 0; added.length > 0; level += 1) {
    const first = before - (before % BigInt(TILE_WIDTH));
    const start = Number(before - first);
    if (start + added.length < TILE_WIDTH) break;

    const tail = (level === 0 ? known : undefined) ?? (await loadTail(tx, store, logId, level, first, start));
    refuseDamagedTail(`the last tile of level ${level}`, level, tail, head);
    const hashes = [...tail, ...added];
    const roots: Hash[] = [];
    let at = 0;
    for (; at + TILE_WIDTH <= hashes.length; at += TILE_WIDTH) {
      const full = hashes.slice(at, at + TILE_WIDTH);
      const root = rootOfTile(full);
      const index = (first + BigInt(at)) / BigInt(TILE_WIDTH);
      tiles.push({ level, index, hashes: concatBytes(...full), root });
      roots.push(root);
    }
    if (level === 0) rest = hashes.slice(at);
    added = roots;
    before = first / BigInt(TILE_WIDTH);
  }
  return { tiles, rest };
}

async function loadTail(
  tx: Tx,
  store: LogStore,
  logId: number,
  level: number,
  first: bigint,
  count: number,
): Promise<readonly Hash[]> {
  if (count === 0) return [];
  if (level > 0) return store.tileRoots(tx, logId, level - 1, first, count);
  return (await store.leaves(tx, logId, first, count)).map(hashLeaf);
}
