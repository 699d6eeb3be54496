import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appendLeaves,
  EMPTY_ROOT,
  emptyRange,
  hashLeaf,
  provePathsOfAppended,
  rootFromInclusion,
  rootOfRange,
} from '../src/index.ts';
import { referencePath, referenceRoot } from './reference.ts';

const leaves = Array.from({ length: 300 }, (_, i) => hashLeaf(Uint8Array.of(i & 255, i >> 8)));
const fewer = fc.tuple(fc.nat({ max: 70 }), fc.nat({ max: 40 }));
const sizes = fc.tuple(fc.nat({ max: 150 }), fc.nat({ max: 150 }));

describe('a compact range', () => {
  it('has the root of the recursive definition, however the leaves arrive', () => {
    fc.assert(
      fc.property(sizes, ([before, added]) => {
        const range = appendLeaves(
          appendLeaves(emptyRange(), leaves.slice(0, before)),
          leaves.slice(before, before + added),
        );
        expect(range.size).toBe(BigInt(before + added));
        expect(rootOfRange(range)).toEqual(referenceRoot(leaves.slice(0, before + added)));
      }),
    );
  });

  it('stays as it is when leaves are appended', () => {
    const range = appendLeaves(emptyRange(), leaves.slice(0, 5));
    const kept = structuredClone(range);
    appendLeaves(range, leaves.slice(5, 9));
    provePathsOfAppended(range, leaves.slice(5, 9));
    expect(range).toEqual(kept);
  });

  it('is empty like the tree of no leaves', () => {
    expect(rootOfRange(emptyRange())).toEqual(EMPTY_ROOT);
    expect(provePathsOfAppended(emptyRange(), [])).toEqual([]);
  });

  it.each([
    { what: 'hashes that do not match its size', range: { size: 3n, hashes: leaves.slice(0, 1) } },
    { what: 'a negative size', range: { size: -1n, hashes: [] } },
  ])('is refused with $what', ({ range }) => {
    const refusal = expect.objectContaining({ code: 'merkle/bad-range' });
    expect(() => rootOfRange(range)).toThrow(refusal);
    expect(() => appendLeaves(range, [])).toThrow(refusal);
    expect(() => provePathsOfAppended(range, [])).toThrow(refusal);
  });

  it('is refused with a hash of the wrong length, and refuses such leaves', () => {
    const refusal = expect.objectContaining({ code: 'merkle/bad-hash' });
    expect(() => rootOfRange({ size: 1n, hashes: [new Uint8Array(31)] })).toThrow(refusal);
    expect(() => appendLeaves(emptyRange(), [new Uint8Array(33)])).toThrow(refusal);
    expect(() => provePathsOfAppended(emptyRange(), [new Uint8Array(33)])).toThrow(refusal);
  });
});

describe('provePathsOfAppended', () => {
  it('gives the paths of the recursive definition without seeing an old leaf', () => {
    fc.assert(
      fc.property(fewer, ([before, added]) => {
        const grown = leaves.slice(0, before + added);
        const range = appendLeaves(emptyRange(), leaves.slice(0, before));
        const paths = provePathsOfAppended(range, grown.slice(before));
        expect(paths).toEqual(grown.slice(before).map((_, i) => referencePath(before + i, grown)));
      }),
      { numRuns: 30 },
    );
  });

  it('works far beyond 32 bits', () => {
    const size = (1n << 62n) + 5n;
    const range = { size, hashes: leaves.slice(0, 3) };
    const added = leaves.slice(10, 20);
    const root = rootOfRange(appendLeaves(range, added));
    provePathsOfAppended(range, added).forEach((path, i) => {
      expect(rootFromInclusion(added[i]!, size + BigInt(i), size + 10n, path)).toEqual(root);
    });
  });
});
