import type { Hash } from '@margo-trust/merkle';
import type { LoadTile } from './from-tiles.ts';
import { encodeTile, FULL_WIDTH, rootOfFull, tileHashes, type TileRef } from './tile.ts';

/**
 * The tiles that a log of `size` leaves must write when `leafHashes` are appended: lower levels first, and on each
 * level full ones before the partial one.
 *
 * `loadTile` is asked for the partial tile of `size` on each level that grows, nothing else.
 */
export function tilesOfAppended(
  size: bigint,
  leafHashes: readonly Hash[],
  loadTile: LoadTile,
): { ref: TileRef; bytes: Uint8Array }[] {
  const tiles: { ref: TileRef; bytes: Uint8Array }[] = [];
  let added = leafHashes;
  for (let [level, first] = [0, size]; added.length > 0; [level, first] = [level + 1, first >> 8n]) {
    const index = first >> 8n;
    const width = Number(first & 255n);
    const hashes = width === 0 ? added : [...tileHashes(loadTile({ level, index, width }), 0, width), ...added];
    const full: Hash[] = [];
    for (let at = 0; at < hashes.length; at += FULL_WIDTH) {
      const chunk = hashes.slice(at, at + FULL_WIDTH);
      tiles.push({
        ref: { level, index: index + BigInt(at / FULL_WIDTH), width: chunk.length },
        bytes: encodeTile(chunk),
      });
      if (chunk.length === FULL_WIDTH) full.push(rootOfFull(chunk));
    }
    added = full;
  }
  return tiles;
}
