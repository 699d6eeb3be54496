import { TlogFault } from './fault.ts';

/**
 * A node of the tree. It covers the leaves from `index` · 2^`level` to before (`index` + 1) · 2^`level`, or, at
 * the right edge, those of them that exist: there its hash is that of a subtree that isn't full, and changes when
 * the tree grows.
 */
export interface TreeNode {
  level: number;
  index: bigint;
}

/** The nodes whose hashes are the inclusion path of leaf `index` in a tree of `size` leaves (RFC 9162 §2.1.3.1). */
export function hashesForInclusion(index: bigint, size: bigint): TreeNode[] {
  if (index < 0n || index >= size) {
    throw new TlogFault('tlog/index-out-of-range', `Leaf ${index} is not in a tree of ${size} leaves.`);
  }
  return siblingsAbove({ level: 0, index }, size);
}

/**
 * The nodes whose hashes are the consistency path between trees of `size1` and `size2` leaves (RFC 9162 §2.1.4.1).
 * None if they are equal.
 */
export function hashesForConsistency(size1: bigint, size2: bigint): TreeNode[] {
  if (size1 <= 0n || size1 > size2) {
    throw new TlogFault('tlog/index-out-of-range', `No path leads from a tree of ${size1} leaves to one of ${size2}.`);
  }
  if (size1 === size2) return [];
  // The largest full subtree at the right edge of the older tree.
  let [level, index] = [0, size1 - 1n];
  while ((index & 1n) === 1n) [level, index] = [level + 1, index >> 1n];
  const edge = { level, index };
  // If it is the older tree itself, the verifier knows its hash.
  return index === 0n ? siblingsAbove(edge, size2) : [edge, ...siblingsAbove(edge, size2)];
}

/** The full subtrees, left to right, whose hashes make up that of `node` in a tree of `size` leaves. */
export function fullNodes({ level, index }: TreeNode, size: bigint): TreeNode[] {
  const start = index << BigInt(level);
  if (level < 0 || index < 0n || start >= size) {
    throw new TlogFault(
      'tlog/index-out-of-range',
      `Node ${index} of level ${level} is not in a tree of ${size} leaves.`,
    );
  }
  const end = (index + 1n) << BigInt(level);
  if (end <= size) return [{ level, index }];
  const nodes: TreeNode[] = [];
  let [at, rest] = [start, size - start];
  for (let l = level - 1; l >= 0; l--) {
    const width = 1n << BigInt(l);
    if ((rest & width) === 0n) continue;
    nodes.push({ level: l, index: at >> BigInt(l) });
    [at, rest] = [at + width, rest - width];
  }
  return nodes;
}

/** The node whose hash is the root of a tree of `size` leaves; none if the tree is empty. */
export function hashesForRoot(size: bigint): TreeNode[] {
  if (size <= 0n) return [];
  let level = 0;
  while (1n << BigInt(level) < size) level += 1;
  return [{ level, index: 0n }];
}

function siblingsAbove(node: TreeNode, size: bigint): TreeNode[] {
  const siblings: TreeNode[] = [];
  let [level, index] = [node.level, node.index];
  for (let last = (size - 1n) >> BigInt(level); last > 0n; last >>= 1n) {
    const sibling = index ^ 1n;
    if (sibling <= last) siblings.push({ level, index: sibling });
    [level, index] = [level + 1, index >> 1n];
  }
  return siblings;
}
