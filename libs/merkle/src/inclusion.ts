import { MerkleFault } from './fault.ts';
import { hashChildren, refuseBadHash, type Hash } from './hash.ts';

/**
 * The tree root that an inclusion path claims for a leaf hash (RFC 9162 §2.1.3.2).
 *
 * `index` counts leaves from zero and `size` is the number of leaves; both are bigint because JavaScript's
 * shift operators work on 32 bits and a log may outlive them. `path` comes from the peer and runs from the
 * leaf's sibling upwards.
 *
 * The result proves nothing until the caller compares it with a tree root it holds a signature for.
 */
export function rootFromInclusion(leaf: Hash, index: bigint, size: bigint, path: readonly Hash[]): Hash {
  if (index < 0n || index >= size) {
    throw new MerkleFault('merkle/index-out-of-range', `Leaf ${index} is not in a tree of ${size} leaves.`);
  }
  refuseBadHash(leaf);

  let node = index;
  let last = size - 1n; // rightmost node of the current level
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0n) throw new MerkleFault('merkle/path-too-long', 'The path continues above the tree root.');
    if (isRightChild(node) || node === last) {
      hash = hashChildren(sibling, hash);
      // A left child at the right edge has no sibling here: climb until it has one.
      while (node !== 0n && !isRightChild(node)) [node, last] = [node >> 1n, last >> 1n];
    } else {
      hash = hashChildren(hash, sibling);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  if (last !== 0n) throw new MerkleFault('merkle/path-too-short', 'The path ends below the tree root.');
  return hash;
}

export function isRightChild(node: bigint): boolean {
  return (node & 1n) === 1n;
}
