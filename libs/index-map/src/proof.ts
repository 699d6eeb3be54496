import { areEqualBytes } from '@margo-trust/bytes';
import type { Hash } from '@margo-trust/merkle';
import { IndexMapFault } from './fault.ts';
import { hashKey, type IndexKey } from './key.ts';
import { bitAt, EMPTY, hashInner, hashLink, hashRecord, LEAF_BYTES } from './node.ts';

/** What a map says of a key. */
export interface MapProof {
  /** From the root downwards, at most 256: the nodes beside the way to the key. */
  readonly siblings: readonly Hash[];
  /** What lies at the end of the way: the key's own record, or that of another key, or nothing. */
  readonly leaf?: { readonly key: Hash; readonly count: bigint; readonly chain: Hash };
}

/** How many entries a key has, and the chain over them. */
export interface KeyState {
  readonly count: bigint;
  readonly chain: Hash;
}

/** An entry as a key's chain counts it. */
export interface ChainedEntry {
  readonly index: bigint;
  /** Hash of the leaf, as in the log's tree. */
  readonly leaf: Hash;
}

/**
 * What the map under `root` says of the key: no entries when the way ends at nothing or at another key. `proof` comes from
 * the peer. `index/bad-proof` when it does not lead to the root.
 *
 * A root has one answer for each key: the way is given by the key's bits, and where it ends cannot be disputed without a
 * collision of SHA-256. That the answer is true of the log, only who recomputes the map knows.
 */
export function verifyMapProof(key: IndexKey, proof: MapProof, root: Hash): KeyState {
  const wanted = hashKey(key);
  const { siblings, leaf } = proof;
  if (siblings.length > 256) throw bad('The way to a key has 256 steps at most.');
  for (const hash of siblings) refuseBadHash(hash);
  let hash = EMPTY;
  if (leaf) {
    refuseBadHash(leaf.key);
    refuseBadHash(leaf.chain);
    if (leaf.count < 1n || leaf.count >= 1n << 64n) throw bad('A key in the map has entries.');
    for (let depth = 0; depth < siblings.length; depth += 1) {
      if (bitAt(leaf.key, depth) !== bitAt(wanted, depth)) throw bad('The record at the end lies elsewhere.');
    }
    hash = hashRecord(encodeLeaf(leaf));
  }
  for (let depth = siblings.length - 1; depth >= 0; depth -= 1) {
    const sibling = siblings[depth] ?? EMPTY;
    hash = bitAt(wanted, depth) === 1 ? hashInner(sibling, hash) : hashInner(hash, sibling);
  }
  if (!areEqualBytes(hash, root)) throw bad('The way does not lead to the root of the map.');
  return leaf && areEqualBytes(leaf.key, wanted)
    ? { count: leaf.count, chain: leaf.chain }
    : { count: 0n, chain: wanted };
}

/**
 * Checks that the entries at positions `first` to before `end.count` are exactly those of the key there: none is left out
 * between two of them or after the last. Returns the state before them, at which the next page of older entries ends; at
 * position 0 that is the key itself and nothing is left.
 *
 * `entries` and `before` come from the peer, in the order of the log; `end` was verified.
 */
export function verifyChain(
  key: IndexKey,
  before: KeyState,
  entries: readonly ChainedEntry[],
  end: KeyState,
): KeyState {
  if (before.count + BigInt(entries.length) !== end.count) {
    throw incomplete(`The map counts ${end.count} entries, here are ${before.count + BigInt(entries.length)}.`);
  }
  refuseBadHash(before.chain);
  if (before.count === 0n && !areEqualBytes(before.chain, hashKey(key)))
    throw incomplete('The first entry is missing.');
  let last = -1n;
  const chain = entries.reduce((hash, { index, leaf }) => {
    if (index <= last) throw incomplete('The entries are not in the order of the log.');
    last = index;
    return hashLink(hash, index, leaf);
  }, before.chain);
  if (!areEqualBytes(chain, end.chain)) throw incomplete('The entries are not those that the map counts.');
  return before;
}

function encodeLeaf({ key, count, chain }: NonNullable<MapProof['leaf']>): Uint8Array {
  const leaf = new Uint8Array(LEAF_BYTES);
  leaf.set(key);
  new DataView(leaf.buffer).setBigUint64(32, count);
  leaf.set(chain, 40);
  return leaf;
}

function refuseBadHash(hash: Hash): void {
  if (hash.length !== 32) throw bad('A hash has 32 bytes.');
}

function bad(message: string): IndexMapFault {
  return new IndexMapFault('index/bad-proof', message);
}

function incomplete(message: string): IndexMapFault {
  return new IndexMapFault('index/not-complete', message);
}
