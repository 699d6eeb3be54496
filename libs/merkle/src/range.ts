import { MerkleFault } from './fault.ts';
import { EMPTY_ROOT, hashChildren, refuseBadHash, type Hash } from './hash.ts';

/**
 * What must be remembered of a tree to let it grow: the roots of its full subtrees.
 *
 * `hashes` are left to right, hence largest first: one for each bit set in `size`, at most 64 in practice.
 */
export interface CompactRange {
  readonly size: bigint;
  readonly hashes: readonly Hash[];
}

export function emptyRange(): CompactRange {
  return { size: 0n, hashes: [] };
}

/** The range of the tree after `leafHashes` (not entries) were appended in this order. `range` stays as it is. */
export function appendLeaves(range: CompactRange, leafHashes: readonly Hash[]): CompactRange {
  refuseBadRange(range);
  const hashes = [...range.hashes];
  let size = range.size;
  for (let hash of leafHashes) {
    refuseBadHash(hash);
    // Like a carry: the new leaf completes one subtree for each trailing one of the size.
    for (let n = size; (n & 1n) === 1n; n >>= 1n) hash = hashChildren(lastOf(hashes), hash);
    hashes.push(hash);
    size += 1n;
  }
  return { size, hashes };

  function lastOf(stack: Hash[]): Hash {
    const hash = stack.pop();
    if (!hash) throw new Error('A checked range has a hash for each bit of its size.');
    return hash;
  }
}

/** The tree root of all leaves in the range; {@link EMPTY_ROOT} if there are none (RFC 9162 §2.1.1). */
export function rootOfRange(range: CompactRange): Hash {
  refuseBadRange(range);
  if (range.hashes.length === 0) return EMPTY_ROOT;
  return range.hashes.reduceRight((right, left) => hashChildren(left, right));
}

/**
 * The inclusion paths, each from the leaf's sibling upwards, of the leaves `leafHashes` in the tree that
 * consists of `range` and them (RFC 9162 §2.1.3.1): path `i` is that of leaf `range.size + i`.
 *
 * No stored node is needed: to the left of a new leaf there are only full subtrees of the range and other new
 * leaves. Takes n hashes and n · log(size) steps. Paths share their hashes, so don't write to them.
 */
export function provePathsOfAppended(range: CompactRange, leafHashes: readonly Hash[]): Hash[][] {
  const levels = growLevels(range, leafHashes);
  return leafHashes.map((_, i) => {
    const path: Hash[] = [];
    let position = i;
    for (const { nodes, hasPeak } of levels) {
      if (hasPeak) position += 1;
      const sibling = nodes[position ^ 1];
      if (sibling) path.push(sibling);
      position >>= 1;
    }
    return path;
  });
}

/** The nodes of one level that the new leaves touch, beginning with a left child. */
interface Level {
  nodes: Hash[];
  /** The first node is a full subtree of the old range; the others contain new leaves. */
  hasPeak: boolean;
}

/** All levels below the root, leaves first. A last node without sibling stands for itself on the next level. */
function growLevels(range: CompactRange, leafHashes: readonly Hash[]): Level[] {
  refuseBadRange(range);
  leafHashes.forEach(refuseBadHash);
  const levels: Level[] = [];
  const peaks = [...range.hashes];
  let nodes = [...leafHashes];
  for (let size = range.size; nodes.length > 0; size >>= 1n) {
    const peak = (size & 1n) === 1n ? peaks.pop() : undefined;
    if (peak) nodes.unshift(peak);
    if (nodes.length === 1 && peaks.length === 0) break; // the root
    levels.push({ nodes, hasPeak: peak !== undefined });
    nodes = parentsOf(nodes);
  }
  return levels;
}

function parentsOf(nodes: readonly Hash[]): Hash[] {
  const parents: Hash[] = [];
  for (let i = 0; i < nodes.length; i += 2) {
    const [left, right] = nodes.slice(i, i + 2) as [Hash, Hash?];
    parents.push(right ? hashChildren(left, right) : left);
  }
  return parents;
}

function refuseBadRange({ size, hashes }: CompactRange): void {
  if (size < 0n || hashes.length !== bitsSet(size)) {
    throw new MerkleFault('merkle/bad-range', `A range of ${size} leaves doesn't have ${hashes.length} hashes.`);
  }
  hashes.forEach(refuseBadHash);
}

function bitsSet(size: bigint): number {
  let count = 0;
  for (let n = size; n > 0n; n >>= 1n) count += Number(n & 1n);
  return count;
}
