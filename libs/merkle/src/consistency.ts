import { MerkleFault } from './fault.ts';
import { refuseOtherRoot, type Hash } from './hash.ts';
import { rootsFromConsistency } from './subtree.ts';

/**
 * Checks that the tree of `size2` leaves begins with all leaves of the tree of `size1`, in the same order
 * (RFC 9162 §2.1.4.2). `path` comes from the peer.
 *
 * An empty first tree is refused: every tree begins with it, so the proof would say nothing. Neither root
 * proves anything by itself; the caller holds a signature for both.
 */
export function verifyConsistency(size1: bigint, root1: Hash, size2: bigint, root2: Hash, path: readonly Hash[]): void {
  refuseOtherRoot(rootFromConsistency(size1, root1, size2, path), root2);
}

/**
 * The root of the newer tree that a consistency path claims, after it led to the older `root1`
 * (RFC 9162 §2.1.4.2). `path` comes from the peer.
 *
 * The result proves nothing until the caller compares it with a tree root it holds a signature for.
 */
export function rootFromConsistency(size1: bigint, root1: Hash, size2: bigint, path: readonly Hash[]): Hash {
  if (size1 <= 0n || size1 > size2) {
    throw new MerkleFault('merkle/bad-size', `Nothing can be shown between trees of ${size1} and ${size2} leaves.`);
  }
  const { subtree, tree } = rootsFromConsistency(0n, size1, size2, root1, path);
  refuseOtherRoot(subtree, root1);
  return tree;
}
