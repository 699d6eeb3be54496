import { MerkleFault } from './fault.ts';
import { EMPTY_ROOT, hashChildren, refuseOtherRoot, type Hash } from './hash.ts';
import { isRightChild, rootFromInclusion } from './inclusion.ts';

/**
 * Checks that leaf `index` of the whole tree is in the subtree of leaves `start` (included) to `end` (excluded)
 * whose root is `subtreeRoot` (draft-ietf-plants-merkle-tree-certs §4.3). `path` comes from the peer.
 */
export function verifySubtreeInclusion(
  leaf: Hash,
  index: bigint,
  start: bigint,
  end: bigint,
  subtreeRoot: Hash,
  path: readonly Hash[],
): void {
  refuseBadSubtree(start, end);
  refuseOtherRoot(rootFromInclusion(leaf, index - start, end - start, path), subtreeRoot);
}

/**
 * Checks that the subtree of leaves `start` (included) to `end` (excluded) is part of the tree of `size` leaves
 * (draft-ietf-plants-merkle-tree-certs §4.4). `path` comes from the peer.
 *
 * The empty subtree is part of every tree: then `treeRoot` is not looked at and nothing is learnt about it.
 */
export function verifySubtreeConsistency(
  start: bigint,
  end: bigint,
  size: bigint,
  subtreeRoot: Hash,
  treeRoot: Hash,
  path: readonly Hash[],
): void {
  refuseBadSubtree(start, end);
  if (end > size) {
    throw new MerkleFault('merkle/bad-size', `The subtree ends at leaf ${end}, the tree at ${size}.`);
  }
  if (start === end) {
    if (path.length > 0) throw new MerkleFault('merkle/path-too-long', 'An empty subtree needs no path.');
    refuseOtherRoot(EMPTY_ROOT, subtreeRoot);
    return;
  }
  const { subtree, tree } = rootsFromConsistency(start, end, size, subtreeRoot, path);
  refuseOtherRoot(subtree, subtreeRoot);
  refuseOtherRoot(tree, treeRoot);
}

/**
 * The two roots that a consistency path claims: of leaves `start` to `end` and of all `size` leaves.
 *
 * `subtreeRoot` is where the path begins if the subtree is a node of the tree, because then the path doesn't
 * repeat it. RFC 9162 §2.1.4.2 is the case `start` = 0.
 */
export function rootsFromConsistency(
  start: bigint,
  end: bigint,
  size: bigint,
  subtreeRoot: Hash,
  path: readonly Hash[],
): { subtree: Hash; tree: Hash } {
  // On each level: first and last node of the subtree, and last node of the tree.
  let [first, node, last] = [start, end - 1n, size - 1n];
  const climb = (): void => {
    [first, node, last] = [first >> 1n, node >> 1n, last >> 1n];
  };

  if (node === last) while (first !== node) climb();
  else while (first !== node && isRightChild(node)) climb();

  const isNode = first === node;
  const [seed, siblings] = isNode ? [subtreeRoot, path] : [path[0], path.slice(1)];
  if (!seed) throw new MerkleFault('merkle/path-too-short', 'The path is empty.');

  let [subtree, tree] = [seed, seed];
  for (const sibling of siblings) {
    if (last === 0n) throw new MerkleFault('merkle/path-too-long', 'The path continues above the tree root.');
    if (isRightChild(node) || node === last) {
      if (first < node) subtree = hashChildren(sibling, subtree);
      tree = hashChildren(sibling, tree);
      // A left child at the right edge has no sibling here: climb until it has one.
      while (node !== 0n && !isRightChild(node)) climb();
    } else {
      tree = hashChildren(tree, sibling);
    }
    climb();
  }
  if (last !== 0n) throw new MerkleFault('merkle/path-too-short', 'The path ends below the tree root.');
  return { subtree, tree };
}

/** A range of leaves has a subtree if it starts at a multiple of the smallest power of two that holds it. */
function refuseBadSubtree(start: bigint, end: bigint): void {
  let width = 1n;
  while (width < end - start) width <<= 1n;
  if (start < 0n || end < start || start % width !== 0n) {
    throw new MerkleFault('merkle/bad-subtree', `Leaves ${start} to ${end} are not a subtree.`);
  }
}
