import { FULL_WIDTH, type BundleRef, type TileRef } from './tile.ts';

/**
 * The full bundles and full tiles that a tree of `newSize` leaves has and one of `oldSize` has not: bundles first, then
 * tiles, lower levels first. Both sizes count leaves; nothing comes when the tree has not grown (C2SP tlog-tiles).
 */
export function* fullTilesAdded(oldSize: bigint, newSize: bigint): Generator<BundleRef | TileRef> {
  for (let index = oldSize >> 8n; index < newSize >> 8n; index += 1n) yield { bundle: true, index, width: FULL_WIDTH };
  let [before, after] = [oldSize >> 8n, newSize >> 8n];
  for (let level = 0; after > 0n; [level, before, after] = [level + 1, before >> 8n, after >> 8n]) {
    for (let index = before; index < after; index += 1n) yield { level, index, width: FULL_WIDTH };
  }
}

/**
 * The partial bundle and the partial tiles of a tree of `size` leaves, at most one a level, in the same order. Together with
 * every full one they are all that a checkpoint of that size implies (C2SP tlog-tiles, "Partial Tiles").
 */
export function* partialTiles(size: bigint): Generator<BundleRef | TileRef> {
  const tail = Number(size & 255n);
  if (tail > 0) yield { bundle: true, index: size >> 8n, width: tail };
  for (let [level, hashes] = [0, size]; hashes > 0n; [level, hashes] = [level + 1, hashes >> 8n]) {
    const width = Number(hashes & 255n);
    if (width > 0) yield { level, index: hashes >> 8n, width };
  }
}

/** How many hashes tile `index` of `level` has in a tree of `size` leaves: 0 to 256. */
export function widthOfTile(level: number, index: bigint, size: bigint): number {
  const hashes = (size >> BigInt(8 * level)) - (index << 8n);
  return hashes <= 0n ? 0 : hashes < FULL_WIDTH ? Number(hashes) : FULL_WIDTH;
}
