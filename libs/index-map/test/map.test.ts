import { sha256 } from '@margo-trust/crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BUCKET_DEPTH,
  hashKey,
  IndexMap,
  prefixOf,
  recomputeMapRoot,
  TILE_DEPTHS,
  verifyChain,
  verifyMapProof,
  type ChainedEntry,
  type IndexKey,
  type MapParts,
  type MapProof,
} from '../src/index.ts';
import { referenceKey, referenceRoot, type ReferenceEntry } from './reference.ts';

const leafOf = (n: number) => sha256(Uint8Array.of(n & 255, n >> 8));
const vendor = (n: number): IndexKey => ({ kind: 'vendor', value: `v${n}` });
const digest = (n: number): IndexKey => ({ kind: 'digest', value: `sha256:${n}` });

/** Few vendors, many digests: some keys have many entries, most have one. */
const entries: fc.Arbitrary<ReferenceEntry[]> = fc
  .array(fc.record({ vendor: fc.nat(3), digests: fc.uniqueArray(fc.nat(500), { maxLength: 4 }) }), { maxLength: 80 })
  .map((list) =>
    list.map(({ vendor: v, digests }, i) => ({ leaf: leafOf(i), keys: [vendor(v), ...digests.map(digest)] })),
  );

const mapOf = (list: readonly ReferenceEntry[]) => {
  const map = new IndexMap();
  list.forEach(({ leaf, keys }, i) => map.add(BigInt(i), leaf, keys));
  return map;
};
const chained = (list: readonly ReferenceEntry[], { kind, value }: IndexKey): ChainedEntry[] =>
  list.flatMap(({ leaf, keys }, i) =>
    keys.some((key) => key.kind === kind && key.value === value) ? [{ index: BigInt(i), leaf }] : [],
  );

describe('the index map', () => {
  it('is empty at first: thirty-two zeros', () => {
    expect(recomputeMapRoot([])).toEqual(new Uint8Array(32));
    expect(verifyMapProof(vendor(1), new IndexMap().prove(vendor(1)), new Uint8Array(32)).count).toBe(0n);
  });

  it('has the root of its definition', () => {
    fc.assert(fc.property(entries, (list) => void expect(recomputeMapRoot(list)).toEqual(referenceRoot(list))));
  });

  it('has the same root in whatever steps it grew, also from stored parts', () => {
    fc.assert(
      fc.property(entries, fc.array(fc.nat(80), { maxLength: 5 }), (list, cuts) => {
        const stored: MapParts = { tiles: { 0: new Map(), 6: new Map(), 12: new Map() }, buckets: new Map() };
        const ends = [...cuts.sort((a, b) => a - b), list.length];
        let at = 0;
        for (const end of ends) {
          const part = list.slice(at, end);
          const map = new IndexMap(
            loadFor(
              stored,
              part.flatMap(({ keys }) => keys),
            ),
          );
          part.forEach(({ leaf, keys }, i) => map.add(BigInt(at + i), leaf, keys));
          store(stored, map.takeChanges());
          at = Math.max(at, end);
          if (at > 0) expect(new IndexMap(stored).root()).toEqual(referenceRoot(list.slice(0, at)));
        }
      }),
    );
  });

  it('proves every key it has, and that it has no other', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const map = mapOf(list);
        const root = map.root();
        for (const key of [0, 1, 2, 3, 4].map(vendor).concat([1, 77, 300, 999].map(digest))) {
          const state = verifyMapProof(key, map.prove(key), root);
          const held = chained(list, key);
          expect(state.count).toBe(BigInt(held.length));
          verifyChain(key, { count: 0n, chain: hashKey(key) }, held, state);
        }
      }),
    );
  });

  it('proves keys that share their first bits beyond tiles and buckets', () => {
    const twin = 448626; // found by trying
    expect(prefixOf(hashKey(vendor(twin)), 20)).toBe(prefixOf(hashKey(vendor(0)), 20));
    const list = [vendor(0), vendor(twin)].map((key, i) => ({ leaf: leafOf(i), keys: [key] }));
    const map = mapOf(list);
    expect(map.root()).toEqual(referenceRoot(list));
    for (const key of [vendor(0), vendor(twin)]) {
      const proof = map.prove(key);
      expect(proof.siblings.length).toBeGreaterThan(20);
      expect(verifyMapProof(key, proof, map.root()).count).toBe(1n);
    }
  });
});

describe('a proof of the map', () => {
  const list = Array.from({ length: 400 }, (_, i) => ({ leaf: leafOf(i), keys: [vendor(i % 3), digest(i)] }));
  const map = mapOf(list);
  const root = map.root();

  it.each([
    ['of a key', digest(7)],
    ['of absence', digest(4_000)],
  ])('%s falls with any bit of it', (_, key) => {
    const proof = map.prove(key);
    verifyMapProof(key, proof, root);
    for (const changed of flips(proof)) {
      expect(() => verifyMapProof(key, changed, root)).toThrow(expect.objectContaining({ code: 'index/bad-proof' }));
    }
  });

  it('says nothing about another key', () => {
    const said = verifyMapProof(digest(7), map.prove(digest(7)), root);
    for (let n = 0; n < 50; n += 1) {
      if (n === 7) continue;
      let state;
      try {
        state = verifyMapProof(digest(n), map.prove(digest(7)), root);
      } catch {
        continue;
      }
      // Only where both ways end at the record of 7, which shows then that n is absent. All of these are there.
      expect.unreachable(`${n} was answered with ${state.count} of ${said.count}`);
    }
  });

  it('is refused when it is longer than a key, or its hashes are not hashes', () => {
    const long = Array.from({ length: 257 }, () => new Uint8Array(32));
    expect(() => verifyMapProof(vendor(0), { siblings: long }, root)).toThrow('256 steps');
    expect(() => verifyMapProof(vendor(0), { siblings: [new Uint8Array(31)] }, root)).toThrow('32 bytes');
  });
});

describe('a chain', () => {
  const list = Array.from({ length: 60 }, (_, i) => ({ leaf: leafOf(i), keys: [vendor(i % 2)] }));
  const map = mapOf(list);
  const key = vendor(1);
  const end = verifyMapProof(key, map.prove(key), map.root());
  const held = chained(list, key);
  const start = { count: 0n, chain: hashKey(key) };

  it('shows page by page, newest first, that nothing is left out', () => {
    // What the peer says lies before each page, as its pages do.
    const states = [start];
    const grown = new IndexMap();
    list.forEach(({ leaf, keys }, i) => {
      const [addition] = grown.add(BigInt(i), leaf, keys);
      if (Buffer.compare(addition!.key, referenceKey(key)) === 0) {
        states[Number(addition!.position)] = { count: addition!.position, chain: addition!.before };
      }
    });
    let state = end;
    for (let to = held.length; to > 0; to -= 7) {
      const from = Math.max(0, to - 7);
      state = verifyChain(key, states[from]!, held.slice(from, to), state);
    }
    expect(state).toEqual(start);
  });

  it.each([
    ['one is left out', held.filter((_, i) => i !== 4)],
    ['the last is left out', held.slice(0, -1)],
    ['one is another', held.map((entry, i) => (i === 4 ? { ...entry, leaf: leafOf(9_999) } : entry))],
    ['one is elsewhere', held.map((entry, i) => (i === 4 ? { ...entry, index: entry.index + 1n } : entry))],
    ['one is told twice', [...held.slice(0, 5), ...held.slice(4)]],
    ['two are exchanged', [held[1]!, held[0]!, ...held.slice(2)]],
  ])('is refused when %s', (_, entries_) => {
    expect(() => verifyChain(key, start, entries_, end)).toThrow(
      expect.objectContaining({ code: 'index/not-complete' }),
    );
  });

  it('is refused when it begins elsewhere', () => {
    const other = { count: 0n, chain: hashKey(vendor(0)) };
    expect(() => verifyChain(key, other, held, end)).toThrow('The first entry is missing.');
  });
});

/** What a store would load for these keys, and no more. */
function loadFor(stored: MapParts, keys: readonly IndexKey[]): MapParts {
  const prefixes = (depth: number) => new Set(keys.map((key) => prefixOf(hashKey(key), depth)));
  const some = (from: Map<number, Uint8Array>, wanted: Set<number>) =>
    new Map([...from].filter(([prefix]) => wanted.has(prefix)).map(([prefix, bytes]) => [prefix, bytes.slice()]));
  const [top, middle, low] = TILE_DEPTHS.map((depth) => some(stored.tiles[depth], prefixes(depth)));
  return { tiles: { 0: top!, 6: middle!, 12: low! }, buckets: some(stored.buckets, prefixes(BUCKET_DEPTH)) };
}

function store(stored: MapParts, changes: MapParts): void {
  for (const depth of TILE_DEPTHS) {
    for (const [prefix, tile] of changes.tiles[depth]) stored.tiles[depth].set(prefix, tile);
  }
  for (const [prefix, bucket] of changes.buckets) stored.buckets.set(prefix, bucket);
}

function* flips(proof: MapProof): Generator<MapProof> {
  const flip = (bytes: Uint8Array, bit: number) =>
    bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
  for (const [i, hash] of proof.siblings.entries()) {
    for (let bit = 0; bit < 256; bit += 5) yield { ...proof, siblings: proof.siblings.with(i, flip(hash, bit)) };
  }
  yield { ...proof, siblings: proof.siblings.slice(1) };
  yield { ...proof, siblings: [...proof.siblings, new Uint8Array(32)] };
  const { leaf } = proof;
  if (!leaf) return;
  for (let bit = 0; bit < 256; bit += 1) {
    yield { ...proof, leaf: { ...leaf, key: flip(leaf.key, bit) } };
    yield { ...proof, leaf: { ...leaf, chain: flip(leaf.chain, bit) } };
  }
  yield { ...proof, leaf: { ...leaf, count: leaf.count + 1n } };
  yield { siblings: proof.siblings };
}
