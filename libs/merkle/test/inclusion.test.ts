import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EMPTY_ROOT, hashChildren, hashLeaf, rootFromInclusion, type Hash } from '../src/index.ts';
import { bitFlips, referencePath, referenceRoot } from './reference.ts';

type SevenLeaves = [Hash, Hash, Hash, Hash, Hash, Hash, Hash];

describe('rootFromInclusion', () => {
  // RFC 9162 §2.1.5 letters the nodes of a seven-leaf tree; the same letters here.
  const [a, b, c, d, e, f, j] = [0, 1, 2, 3, 4, 5, 6].map((n) => hashLeaf(Uint8Array.of(n))) as SevenLeaves;
  const [g, h, i] = [hashChildren(a, b), hashChildren(c, d), hashChildren(e, f)];
  const [k, l] = [hashChildren(g, h), hashChildren(i, j)];
  const root = hashChildren(k, l);

  it.each([
    { index: 0n, leaf: a, path: [b, h, l] },
    { index: 3n, leaf: d, path: [c, g, l] },
    { index: 4n, leaf: e, path: [f, j, k] },
    { index: 6n, leaf: j, path: [i, k] },
  ])('accepts the path the RFC gives for d$index', ({ index, leaf, path }) => {
    expect(rootFromInclusion(leaf, index, 7n, path)).toEqual(root);
  });

  it('agrees with the recursive definition for every leaf of any tree', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array(), { minLength: 1, maxLength: 70 }), fc.nat(), (entries, n) => {
        const leaves = entries.map(hashLeaf);
        const index = n % leaves.length;
        const path = referencePath(index, leaves);
        const claimed = rootFromInclusion(leaves[index]!, BigInt(index), BigInt(leaves.length), path);
        expect(claimed).toEqual(referenceRoot(leaves));
      }),
    );
  });

  it('leads elsewhere when any bit of leaf or path flips', () => {
    const path = [f, j, k];
    for (const leaf of bitFlips(e)) expect(rootFromInclusion(leaf, 4n, 7n, path)).not.toEqual(root);
    path.forEach((hash, at) => {
      for (const flipped of bitFlips(hash)) {
        expect(rootFromInclusion(e, 4n, 7n, path.with(at, flipped))).not.toEqual(root);
      }
    });
  });

  it('leads elsewhere, or nowhere, for any other leaf index', () => {
    for (const index of [0n, 1n, 2n, 3n, 5n]) expect(rootFromInclusion(e, index, 7n, [f, j, k])).not.toEqual(root);
    expect(() => rootFromInclusion(e, 6n, 7n, [f, j, k])).toThrow(refusal('merkle/path-too-long'));
  });

  it.each([
    { what: 'a path that ends below the root', run: () => rootFromInclusion(a, 0n, 7n, [b]), code: 'path-too-short' },
    {
      what: 'a path that continues above the root',
      run: () => rootFromInclusion(a, 0n, 7n, [b, h, l, l]),
      code: 'path-too-long',
    },
    { what: 'a leaf beyond the tree', run: () => rootFromInclusion(a, 7n, 7n, []), code: 'index-out-of-range' },
    { what: 'a negative leaf index', run: () => rootFromInclusion(a, -1n, 7n, []), code: 'index-out-of-range' },
    { what: 'any leaf of the empty tree', run: () => rootFromInclusion(a, 0n, 0n, []), code: 'index-out-of-range' },
    {
      what: 'a sibling of the wrong length',
      run: () => rootFromInclusion(a, 0n, 7n, [b.subarray(1), h, l]),
      code: 'bad-hash',
    },
    {
      what: 'a leaf hash of the wrong length',
      run: () => rootFromInclusion(new Uint8Array(31), 0n, 1n, []),
      code: 'bad-hash',
    },
  ])('refuses $what', ({ run, code }) => {
    expect(run).toThrow(refusal(`merkle/${code}`));
  });
});

describe('hashes', () => {
  it('are those RFC 6962 implementations agree on', () => {
    expect(hex(EMPTY_ROOT)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hex(hashLeaf(new Uint8Array(0)))).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
  });
});

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const refusal = (code: string) => expect.objectContaining({ code });
