import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashChildren, hashLeaf, verifyConsistency, type Hash } from '../src/index.ts';
import { verifySubtreeConsistency, verifySubtreeInclusion } from '../src/index.ts';
import {
  bitFlips,
  referenceConsistency,
  referencePath,
  referenceRoot,
  referenceSubtreeConsistency,
} from './reference.ts';

type SevenLeaves = [Hash, Hash, Hash, Hash, Hash, Hash, Hash];

describe('verifyConsistency', () => {
  // RFC 9162 §2.1.5: hash0 covers three leaves, hash1 four, hash2 six, hash seven.
  const leaves = [0, 1, 2, 3, 4, 5, 6].map((n) => hashLeaf(Uint8Array.of(n))) as SevenLeaves;
  const [a, b, c, d, e, f, j] = leaves;
  const [g, h, i] = [hashChildren(a, b), hashChildren(c, d), hashChildren(e, f)];
  const [k, l] = [hashChildren(g, h), hashChildren(i, j)];
  const root = hashChildren(k, l);

  it.each([
    { size1: 3n, root1: hashChildren(g, c), path: [c, d, g, l] },
    { size1: 4n, root1: k, path: [l] },
    { size1: 6n, root1: hashChildren(k, i), path: [i, j, k] },
  ])('accepts the path the RFC gives from $size1 leaves to seven', ({ size1, root1, path }) => {
    verifyConsistency(size1, root1, 7n, root, path);
  });

  it('agrees with the recursive definition between any two trees', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), (size2, n) => {
        const size1 = 1 + (n % size2);
        const grown = someLeaves(size2);
        const path = referenceConsistency(size1, grown);
        verifyConsistency(
          BigInt(size1),
          referenceRoot(grown.slice(0, size1)),
          BigInt(size2),
          referenceRoot(grown),
          path,
        );
      }),
    );
  });

  it('refuses any flipped bit of roots or path', () => {
    const [root1, path] = [hashChildren(g, c), [c, d, g, l]];
    for (const flipped of bitFlips(root1)) {
      expect(() => verifyConsistency(3n, flipped, 7n, root, path)).toThrow(refusal('merkle/root-mismatch'));
    }
    for (const flipped of bitFlips(root)) {
      expect(() => verifyConsistency(3n, root1, 7n, flipped, path)).toThrow(refusal('merkle/root-mismatch'));
    }
    path.forEach((hash, at) => {
      for (const flipped of bitFlips(hash)) {
        expect(() => verifyConsistency(3n, root1, 7n, root, path.with(at, flipped))).toThrow(
          refusal('merkle/root-mismatch'),
        );
      }
    });
  });

  it('refuses a tree that shrank, an empty first tree and paths of the wrong length', () => {
    expect(() => verifyConsistency(7n, root, 4n, k, [])).toThrow(refusal('merkle/bad-size'));
    expect(() => verifyConsistency(0n, root, 7n, root, [])).toThrow(refusal('merkle/bad-size'));
    expect(() => verifyConsistency(4n, k, 7n, root, [])).toThrow(refusal('merkle/path-too-short'));
    expect(() => verifyConsistency(3n, k, 7n, root, [])).toThrow(refusal('merkle/path-too-short'));
    expect(() => verifyConsistency(4n, k, 7n, root, [l, l])).toThrow(refusal('merkle/path-too-long'));
    expect(() => verifyConsistency(7n, root, 7n, root, [l])).toThrow(refusal('merkle/path-too-long'));
    expect(() => verifyConsistency(4n, k, 7n, root, [l.subarray(1)])).toThrow(refusal('merkle/bad-hash'));
  });
});

describe('verifySubtreeConsistency and verifySubtreeInclusion', () => {
  it('agree with the recursive definition for any subtree', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), fc.nat(), (size, m, n, i) => {
        const leaves = someLeaves(size);
        const start = alignedStart(m % size, n);
        const end = Math.min(size, start + 1 + (n % widthAt(start, size)));
        const subtree = leaves.slice(start, end);
        const index = start + (i % subtree.length);
        const [from, to] = [BigInt(start), BigInt(end)];

        verifySubtreeConsistency(
          from,
          to,
          BigInt(size),
          referenceRoot(subtree),
          referenceRoot(leaves),
          referenceSubtreeConsistency(start, end, leaves),
        );
        verifySubtreeInclusion(
          leaves[index]!,
          BigInt(index),
          from,
          to,
          referenceRoot(subtree),
          referencePath(index - start, subtree),
        );
      }),
    );
  });
});

/** `at` rounded down to a multiple of some power of two. */
function alignedStart(at: number, n: number): number {
  const width = 2 ** (n % 7);
  return at - (at % width);
}

/** The longest subtree that may begin at `start`. */
function widthAt(start: number, size: number): number {
  let width = 1;
  while (start % (width * 2) === 0 && width < size) width *= 2;
  return width;
}

const someLeaves = (n: number) => Array.from({ length: n }, (_, i) => hashLeaf(Uint8Array.of(i, n)));
const refusal = (code: string) => expect.objectContaining({ code });
