import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bundlePath,
  fullTilesAdded,
  partialTiles,
  tilePath,
  widthOfTile,
  type BundleRef,
  type TileRef,
} from '../src/index.ts';

const pathOf = (ref: BundleRef | TileRef): string =>
  'bundle' in ref ? bundlePath(ref.index, ref.width) : tilePath(ref);
const paths = (refs: Iterable<BundleRef | TileRef>): string[] => [...refs].map(pathOf);

/** C2SP tlog-tiles word for word: at level l there are ⌊size / 256^l⌋ hashes, and 256 to a tile. */
function impliedBy(size: number): string[] {
  const found = tilesOver(size, (index, width) => bundlePath(index, width));
  for (let [level, hashes] = [0, size]; hashes > 0; [level, hashes] = [level + 1, Math.floor(hashes / 256)]) {
    found.push(...tilesOver(hashes, (index, width) => tilePath({ level, index, width })));
  }
  return found;
}

function tilesOver(hashes: number, path: (index: bigint, width: number) => string): string[] {
  return Array.from({ length: Math.ceil(hashes / 256) }, (_, i) => path(BigInt(i), Math.min(256, hashes - i * 256)));
}

describe('what a checkpoint implies', () => {
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 200_000 }),
    fc.constantFrom(1, 255, 256, 257, 65_535, 65_536, 65_537),
  );

  it('is every full tile ever added and the partial ones of its size, each once', () => {
    fc.assert(
      fc.property(fc.array(sizes, { minLength: 1, maxLength: 4 }), (unsorted) => {
        const steps = unsorted.sort((a, b) => a - b);
        const full = steps.flatMap((size, i) => paths(fullTilesAdded(BigInt(steps[i - 1] ?? 0), BigInt(size))));
        const size = steps.at(-1) ?? 0;
        expect([...full, ...paths(partialTiles(BigInt(size)))].sort()).toEqual(impliedBy(size).sort());
      }),
      { numRuns: 60 },
    );
  });

  it('comes in the order in which it may be written: bundles, then tiles from the leaves up', () => {
    const level = (path: string) => (path.startsWith('tile/entries') ? -1 : Number(path.split('/')[1]));
    for (const refs of [fullTilesAdded(0n, 70_000n), partialTiles(70_001n)]) {
      const levels = paths(refs).map(level);
      expect(levels).toEqual([...levels].sort((a, b) => a - b));
    }
  });

  it('agrees on the width of each tile', () => {
    expect([0n, 1n, 2n].map((index) => widthOfTile(0, index, 300n))).toEqual([256, 44, 0]);
    expect([widthOfTile(1, 0n, 300n), widthOfTile(1, 0n, 255n), widthOfTile(2, 0n, 65_536n)]).toEqual([1, 0, 1]);
  });
});
