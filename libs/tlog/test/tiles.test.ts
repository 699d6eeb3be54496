import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '@margo-trust/fault';
import {
  appendLeaves,
  emptyRange,
  hashLeaf,
  rootFromInclusion,
  rootOfRange,
  verifyConsistency,
  type Hash,
} from '@margo-trust/merkle';
import { referenceConsistency, referencePath, referenceRoot } from '../../merkle/test/reference.ts';
import {
  bundlePath,
  consistencyFromTiles,
  encodeEntryBundle,
  hashesForConsistency,
  hashesForInclusion,
  hashesForRoot,
  inclusionFromNodes,
  inclusionFromTiles,
  nodeFromTiles,
  parseEntryBundle,
  parseTilePath,
  placesForInclusion,
  rootFromTiles,
  tilePath,
  TileNodes,
  tilesForNodes,
  tilesOfAppended,
  type LoadTile,
} from '../src/index.ts';

const LEAVES = Array.from({ length: 1200 }, (_, i) => hashLeaf(Uint8Array.of(i & 255, i >> 8)));

describe('proofs assembled from tiles', () => {
  const sizes = fc.integer({ min: 1, max: LEAVES.length });

  it('equal the recursive definition for random logs', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (size, n, m) => {
        const leaves = LEAVES.slice(0, size);
        const loadTile = writeLog([size]);
        const [index, older] = [n % size, 1 + (m % size)];
        expect(rootFromTiles(BigInt(size), loadTile)).toEqual(referenceRoot(leaves));
        expect(inclusionFromTiles(BigInt(index), BigInt(size), loadTile)).toEqual(referencePath(index, leaves));
        expect(consistencyFromTiles(BigInt(older), BigInt(size), loadTile)).toEqual(
          referenceConsistency(older, leaves),
        );
      }),
      { numRuns: 40 },
    );
  });

  it('are the same from tiles whose inner nodes were computed once, also when they grew wider since', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), (size, n) => {
        const index = n % size;
        const places = placesForInclusion(BigInt(index), BigInt(size));
        const expected = referencePath(index, LEAVES.slice(0, size));
        const exact = writeLog([size]);
        expect(inclusionFromNodes(places, (tile) => new TileNodes(exact(tile)))).toEqual(expected);
        const later = writeLog([LEAVES.length]);
        const widest = BigInt(LEAVES.length);
        const grown = inclusionFromNodes(places, ({ level, index: number }) => {
          const width = Number(min(256n, (widest >> BigInt(8 * level)) - (number << 8n)));
          return new TileNodes(later({ level, index: number, width }));
        });
        expect(grown).toEqual(expected);
      }),
      { numRuns: 40 },
    );
  });

  it('are not made of nodes that a tile does not have', () => {
    const nodes = new TileNodes(
      LEAVES.slice(0, 5).reduce((all, leaf) => Uint8Array.of(...all, ...leaf), new Uint8Array()),
    );
    expect(nodes.node(2, 0)).toEqual(referenceRoot(LEAVES.slice(0, 4)));
    for (const [height, position] of [
      [0, 5],
      [1, 2],
      [2, 1],
      [3, 0],
      [0, -1],
      [-1, 0],
    ] as const) {
      expect(() => nodes.node(height, position)).toThrow(expect.objectContaining({ code: 'tlog/bad-tile' }));
    }
    for (const length of [0, 31, 33, 257 * 32]) expect(() => new TileNodes(new Uint8Array(length))).toThrow(Fault);
  });

  it('need only the tiles announced, as wide as the log of that size has them', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), fc.nat(), (size, n, m) => {
        const all = writeLog([size]);
        const [index, older] = [BigInt(n % size), BigInt(1 + (m % size))];
        const nodes = [
          ...hashesForInclusion(index, BigInt(size)),
          ...hashesForConsistency(older, BigInt(size)),
          ...hashesForRoot(BigInt(size)),
        ];
        const tiles = new Map(tilesForNodes(nodes, BigInt(size)).map((ref) => [tilePath(ref), all(ref)]));
        const announced: LoadTile = (ref) => tiles.get(tilePath(ref))!;
        inclusionFromTiles(index, BigInt(size), announced);
        consistencyFromTiles(older, BigInt(size), announced);
        rootFromTiles(BigInt(size), announced);
      }),
      { numRuns: 40 },
    );
  });

  it('may be taken from tiles that grew wider since', () => {
    const loadTile = writeLog([1000]);
    const wider: LoadTile = (ref) => {
      const width = ref.level === 0 && ref.index === 2n ? 256 : ref.width;
      return loadTile({ ...ref, width });
    };
    expect(inclusionFromTiles(520n, 600n, (ref) => wider(ref.level === 0 ? ref : { ...ref, width: 3 }))).toEqual(
      referencePath(520, LEAVES.slice(0, 600)),
    );
  });

  it('verify', () => {
    const loadTile = writeLog([700]);
    const root = referenceRoot(LEAVES.slice(0, 700));
    const path = inclusionFromTiles(699n, 700n, loadTile);
    expect(rootFromInclusion(LEAVES[699]!, 699n, 700n, path)).toEqual(root);
    verifyConsistency(
      300n,
      referenceRoot(LEAVES.slice(0, 300)),
      700n,
      root,
      consistencyFromTiles(300n, 700n, loadTile),
    );
  });

  it('are refused outside the tree and from tiles that are too narrow or misshapen', () => {
    const loadTile = writeLog([10]);
    expect(() => inclusionFromTiles(10n, 10n, loadTile)).toThrow(refusal('tlog/index-out-of-range'));
    expect(() => consistencyFromTiles(0n, 10n, loadTile)).toThrow(refusal('tlog/index-out-of-range'));
    expect(() => consistencyFromTiles(11n, 10n, loadTile)).toThrow(refusal('tlog/index-out-of-range'));
    expect(() => nodeFromTiles(1, 5n, 10n, loadTile)).toThrow(refusal('tlog/index-out-of-range'));
    expect(() => nodeFromTiles(0, 9n, 10n, () => new Uint8Array(9 * 32))).toThrow(refusal('tlog/bad-tile'));
    expect(() => nodeFromTiles(0, 0n, 10n, () => new Uint8Array(10 * 32 + 1))).toThrow(refusal('tlog/bad-tile'));
    expect(() => nodeFromTiles(0, 0n, 10n, () => new Uint8Array(257 * 32))).toThrow(refusal('tlog/bad-tile'));
  });
});

describe('tilesOfAppended', () => {
  it('writes the same log whatever the batches', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 6 }), (batches) => {
        const size = Math.min(
          LEAVES.length,
          batches.reduce((a, b) => a + b),
        );
        const ends = batches.map((_, i) =>
          Math.min(
            size,
            batches.slice(0, i + 1).reduce((a, b) => a + b),
          ),
        );
        const loadTile = writeLog(ends);
        expect(rootFromTiles(BigInt(size), loadTile)).toEqual(referenceRoot(LEAVES.slice(0, size)));
      }),
      { numRuns: 30 },
    );
  });

  it('names the tiles of the specification for a tree of 256 leaves', () => {
    const paths = tilesOfAppended(0n, LEAVES.slice(0, 256), unexpected).map(({ ref }) => tilePath(ref));
    expect(paths).toEqual(['tile/0/000', 'tile/1/000.p/1']);
  });

  it('writes the tiles of the specification for a tree of 70,000 leaves, and they prove any leaf', () => {
    const leaves = Array.from({ length: 70_000 }, (_, i) => hashLeaf(Uint8Array.of(i & 255, i >> 8, i >> 16)));
    const tiles = new Map(tilesOfAppended(0n, leaves, unexpected).map(({ ref, bytes }) => [tilePath(ref), bytes]));
    const paths = [...tiles.keys()];
    expect(paths.filter((path) => /^tile\/0\/...$/.test(path))).toHaveLength(273);
    expect(paths.slice(273)).toEqual(['tile/0/273.p/112', 'tile/1/000', 'tile/1/001.p/17', 'tile/2/000.p/1']);

    const loadTile: LoadTile = (ref) => tiles.get(tilePath(ref))!;
    const root = rootFromTiles(70_000n, loadTile);
    expect(root).toEqual(rootOfRange(appendLeaves(emptyRange(), leaves)));
    for (const index of [0, 255, 256, 65_535, 65_536, 69_888, 69_999]) {
      const path = inclusionFromTiles(BigInt(index), 70_000n, loadTile);
      expect(rootFromInclusion(leaves[index]!, BigInt(index), 70_000n, path)).toEqual(root);
    }
  });

  it('writes nothing when nothing is appended, and refuses a partial tile that is too narrow', () => {
    expect(tilesOfAppended(5n, [], unexpected)).toEqual([]);
    expect(() => tilesOfAppended(5n, LEAVES.slice(5, 6), () => new Uint8Array(4 * 32))).toThrow(
      refusal('tlog/bad-tile'),
    );
  });
});

describe('tile paths', () => {
  it.each([
    ['tile/0/x001/x234/067', { level: 0, index: 1234067n, width: 256 }],
    ['tile/0/000.p/5', { level: 0, index: 0n, width: 5 }],
    ['tile/1/999', { level: 1, index: 999n, width: 256 }],
    ['tile/63/x001/000.p/255', { level: 63, index: 1000n, width: 255 }],
  ])('%s', (path, ref) => {
    expect(tilePath(ref)).toBe(path);
    expect(parseTilePath(path)).toEqual(ref);
  });

  it('of entry bundles', () => {
    expect(bundlePath(1234067n, 256)).toBe('tile/entries/x001/x234/067');
    expect(parseTilePath('tile/entries/000.p/15')).toEqual({ bundle: true, index: 0n, width: 15 });
  });

  it('come back for any tile', () => {
    const tile = fc.record({
      level: fc.integer({ min: 0, max: 63 }),
      index: fc.bigInt({ min: 0n, max: (1n << 56n) - 1n }),
      width: fc.integer({ min: 1, max: 256 }),
    });
    fc.assert(fc.property(tile, (ref) => void expect(parseTilePath(tilePath(ref))).toEqual(ref)));
  });

  it.each([
    'tile/64/000',
    'tile/00/000',
    'tile/-1/000',
    'tile/0/0',
    'tile/0/x000/001',
    'tile/0/001/002',
    'tile/0/x001',
    'tile/0/1000',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/000.p/05',
    'tile/0/000.p/',
    'tile/0/000/',
    '/tile/0/000',
    'tile/0/x072/x057/x594/x037/x927/936',
    'tile/entries/../../etc/passwd',
    'tile/data/000',
    'tile/0/٠٠٠',
    'tile/0/000\n',
    '',
  ])('refuse %j', (path) => {
    expect(() => parseTilePath(path)).toThrow(refusal('tlog/bad-path'));
  });

  it('refuse tiles that cannot be', () => {
    for (const ref of [
      { level: 64, index: 0n, width: 1 },
      { level: 0.5, index: 0n, width: 1 },
      { level: 0, index: -1n, width: 1 },
      { level: 0, index: 1n << 56n, width: 1 },
      { level: 0, index: 0n, width: 0 },
      { level: 0, index: 0n, width: 257 },
    ]) {
      expect(() => tilePath(ref)).toThrow(refusal('tlog/bad-path'));
    }
  });
});

describe('entry bundles', () => {
  it('come back from their bytes', () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 });
    fc.assert(fc.property(entries, (e) => void expect(parseEntryBundle(encodeEntryBundle(e))).toEqual(e)));
  });

  it('prefix each entry with its length, high byte first', () => {
    expect(encodeEntryBundle([new Uint8Array(258)]).slice(0, 3)).toEqual(Uint8Array.of(1, 2, 0));
  });

  it.each([
    ['nothing', new Uint8Array(0)],
    ['half a length', Uint8Array.of(0)],
    ['half an entry', Uint8Array.of(0, 2, 1)],
    ['257 entries', new Uint8Array(2 * 257)],
  ])('refuse %s', (_, bytes) => {
    expect(() => parseEntryBundle(bytes)).toThrow(refusal('tlog/bad-bundle'));
  });

  it('refuse what does not fit', () => {
    expect(() => encodeEntryBundle([])).toThrow(refusal('tlog/bad-bundle'));
    expect(() => encodeEntryBundle(new Array(257).fill(new Uint8Array(0)))).toThrow(refusal('tlog/bad-bundle'));
    expect(() => encodeEntryBundle([new Uint8Array(65_536)])).toThrow(refusal('tlog/bad-bundle'));
  });

  it('give a value or a fault for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          parseEntryBundle(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
    );
  });
});

/** Appends up to each of `ends` in turn; the loader knows every tile written on the way. */
function writeLog(ends: readonly number[]): LoadTile {
  const tiles = new Map<string, Uint8Array>();
  const loadTile: LoadTile = (ref) => {
    const bytes = tiles.get(tilePath(ref));
    if (!bytes) throw new Error(`There is no ${tilePath(ref)}.`);
    return bytes;
  };
  let size = 0;
  for (const end of ends) {
    const added: Hash[] = LEAVES.slice(size, end);
    for (const { ref, bytes } of tilesOfAppended(BigInt(size), added, loadTile)) tiles.set(tilePath(ref), bytes);
    size = Math.max(size, end);
  }
  return loadTile;
}

const unexpected: LoadTile = (ref) => {
  throw new Error(`Nobody should ask for ${tilePath(ref)}.`);
};
const refusal = (code: string) => expect.objectContaining({ code });

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
