import { areEqualBytes, concatBytes } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { appendLeaves, emptyRange, hashLeaf, rootFromInclusion, rootOfRange, type Hash } from '@margo-trust/merkle';
import { LogFault } from './log.fault.ts';

/*
 * What comes back from disk is held against what it must hash to, before it is signed or served: one flipped bit that went
 * out under our signature could not be taken back. Each check throws LogFault `log/damaged`.
 */

const LEVEL_BITS = 8n; // a tile has 256 hashes

/** The root of a full tile, which is one hash of the level above. */
export function rootOfTile(hashes: readonly Hash[]): Hash {
  return rootOfRange(appendLeaves(emptyRange(), hashes));
}

export function refuseDamagedHead(size: bigint, root: Hash, frontier: readonly Hash[]): void {
  const isWhole = frontier.length === bitsOf(size) && areEqualBytes(rootOfRange({ size, hashes: frontier }), root);
  if (!isWhole) throw damaged(`the head of ${size} entries`);
}

/** `sealed` is the root that was kept apart for a head of that size; there is none for the empty log. */
export function refuseUnsealedHead(
  { size, root }: { readonly size: bigint; readonly root: Hash },
  sealed: Hash | null,
): void {
  const isSealed = size === 0n ? sealed === null : sealed !== null && areEqualBytes(sealed, root);
  if (!isSealed) throw damaged(`the head of ${size} entries`);
}

export function refuseDamagedTile(what: string, hashes: readonly Hash[], root: Hash): void {
  if (!areEqualBytes(rootOfTile(hashes), root)) throw damaged(what);
}

/**
 * `hashes` are those that the last, incomplete tile of `level` has in a tree of `size`. Its full subtrees are among those
 * of the tree, so the frontier vouches for them.
 */
export function refuseDamagedTail(
  what: string,
  level: number,
  hashes: readonly Hash[],
  { size, frontier }: { readonly size: bigint; readonly frontier: readonly Hash[] },
): void {
  const peaks = appendLeaves(emptyRange(), hashes).hashes;
  const below = size & ((1n << (LEVEL_BITS * BigInt(level))) - 1n);
  const end = frontier.length - bitsOf(below);
  const expected = frontier.slice(end - peaks.length, end);
  if (!areEqualBytes(concatBytes(...peaks), concatBytes(...expected))) throw damaged(what);
}

export function refuseDamagedLeaves(what: string, leaves: readonly Uint8Array[], tile: Uint8Array): void {
  const isWhole = leaves.every((leaf, i) => areEqualBytes(hashLeaf(leaf), tile.subarray(i * 32, i * 32 + 32)));
  if (!isWhole) throw damaged(what);
}

/** A path that does not lead from the leaf to the root means that one of the three is not what it was. */
export function refuseDamagedPath(
  index: bigint,
  leafHash: Hash,
  path: readonly Hash[],
  { size, root }: { readonly size: bigint; readonly root: Hash },
): void {
  if (!areEqualBytes(rootFromInclusion(leafHash, index, size, path), root)) {
    throw damaged(`entry ${index} or the head of ${size} entries`);
  }
}

export function refuseDamagedStatement(entry: Uint8Array, body: Uint8Array): void {
  if (!areEqualBytes(sha256(body), entry)) throw damaged('a statement');
}

function bitsOf(size: bigint): number {
  return size.toString(2).replaceAll('0', '').length;
}

function damaged(what: string): LogFault {
  return new LogFault('log/damaged', `What the database holds of ${what} is not what was logged.`);
}
