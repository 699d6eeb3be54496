import { EMPTY_ROOT, hashChildren, type Hash } from '@margo-trust/merkle';
import { fullNodes, hashesForConsistency, hashesForInclusion, hashesForRoot, type TreeNode } from './nodes.ts';
import { FULL_WIDTH, rootOfFull, tileHashes, tilePath, type TileRef } from './tile.ts';

/**
 * The bytes of a tile, at least `width` hashes of it; throws if there is none. Tiles come from anywhere: only the
 * tree root they lead to, compared with a signed one, shows that they are right.
 *
 * Synchronous on purpose: ask {@link tilesForNodes}, fetch those tiles side by side, then compute.
 */
export type LoadTile = (ref: TileRef) => Uint8Array;

/** The tiles, each once, that hold what `nodes` need in a tree of `size` leaves. */
export function tilesForNodes(nodes: readonly TreeNode[], size: bigint): TileRef[] {
  const refs = new Map<string, TileRef>();
  for (const full of nodes.flatMap((node) => fullNodes(node, size))) {
    const { ref } = locate(full, size);
    refs.set(tilePath(ref), ref);
  }
  return [...refs.values()];
}

/** The hash of a node in a tree of `size` leaves. At the right edge it is that of the leaves that exist. */
export function nodeFromTiles(level: number, index: bigint, size: bigint, loadTile: LoadTile): Hash {
  return fullNodes({ level, index }, size)
    .map((full) => fullNodeFromTiles(full, size, loadTile))
    .reduceRight((right, left) => hashChildren(left, right));
}

/** The inclusion path of leaf `index` in the tree of `size` leaves (RFC 9162 §2.1.3.1). */
export function inclusionFromTiles(index: bigint, size: bigint, loadTile: LoadTile): Hash[] {
  return hashesForInclusion(index, size).map((node) => nodeFromTiles(node.level, node.index, size, loadTile));
}

/** The consistency path from the tree of `size1` leaves to that of `size2` (RFC 9162 §2.1.4.1). */
export function consistencyFromTiles(size1: bigint, size2: bigint, loadTile: LoadTile): Hash[] {
  return hashesForConsistency(size1, size2).map((node) => nodeFromTiles(node.level, node.index, size2, loadTile));
}

/** The root of the tree of `size` leaves. */
export function rootFromTiles(size: bigint, loadTile: LoadTile): Hash {
  const [root] = hashesForRoot(size);
  return root ? nodeFromTiles(root.level, root.index, size, loadTile) : EMPTY_ROOT;
}

function fullNodeFromTiles(node: TreeNode, size: bigint, loadTile: LoadTile): Hash {
  const { ref, offset, count } = locate(node, size);
  return rootOfFull(tileHashes(loadTile(ref), offset, offset + count));
}

/** The tile, as wide as it is in a tree of `size` leaves, and the hashes in it that `node` covers. */
function locate(node: TreeNode, size: bigint): { ref: TileRef; offset: number; count: number } {
  const level = Math.floor(node.level / 8);
  const height = node.level % 8;
  const first = node.index << BigInt(height);
  const index = first >> 8n;
  const hashes = (size >> BigInt(8 * level)) - (index << 8n);
  return {
    ref: { level, index, width: hashes < FULL_WIDTH ? Number(hashes) : FULL_WIDTH },
    offset: Number(first & 255n),
    count: 2 ** height,
  };
}
