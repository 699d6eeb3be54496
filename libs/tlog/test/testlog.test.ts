import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hashLeaf, rootFromInclusion, verifyConsistency } from '@margo-trust/merkle';
import {
  bundlePath,
  consistencyFromTiles,
  encodeCheckpoint,
  encodeNote,
  encodeTlogProof,
  inclusionFromTiles,
  parseCheckpoint,
  parseEntryBundle,
  parseNote,
  parseVerifierKey,
  rootFromTiles,
  tilePath,
  tilesOfAppended,
  verifyNote,
  verifyTlogProof,
  type LoadTile,
} from '../src/index.ts';

/** A log of 15 entries that Tessera wrote; origin in test/vectors/README.md. */
const LOG = join(import.meta.dirname, '../../../test/vectors/tlog/tessera-testlog/log');
const VKEY = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx';

const key = parseVerifierKey(VKEY);
const read = (path: string) => new Uint8Array(readFileSync(join(LOG, path)));
const loadTile: LoadTile = (ref) => read(tilePath(ref));
const entriesOf = (size: number) => parseEntryBundle(read(bundlePath(0n, size)));
const rootOf = (size: number) => parseCheckpoint(parseNote(read(`checkpoint.${size}`)).text).root;

const SIZES = Array.from({ length: 15 }, (_, i) => i + 1);

describe("Tessera's log", () => {
  it.each([0, ...SIZES])('signed the tree of %i leaves, and we write its checkpoint alike', (size) => {
    const bytes = read(`checkpoint.${size}`);
    const note = parseNote(bytes);
    expect(verifyNote(note, [key])).toEqual([key]);
    const checkpoint = parseCheckpoint(note.text);
    expect(checkpoint).toMatchObject({ origin: key.name, size: BigInt(size), extensions: [] });
    expect(checkpoint.root).toEqual(rootFromTiles(BigInt(size), loadTile));
    expect(encodeNote({ text: encodeCheckpoint(checkpoint), signatures: note.signatures })).toEqual(bytes);
  });

  it.each(SIZES)('has %i entries that hash to its tile, and we write that tile alike', (size) => {
    const leaves = entriesOf(size).map(hashLeaf);
    expect(leaves).toHaveLength(size);
    const [tile] = tilesOfAppended(0n, leaves, loadTile);
    expect(tile?.ref).toEqual({ level: 0, index: 0n, width: size });
    expect(tile?.bytes).toEqual(read(`tile/0/000.p/${size}`));
  });

  it.each(SIZES)('holds all %i entries and every smaller tree', (size) => {
    entriesOf(size).forEach((entry, i) => {
      const path = inclusionFromTiles(BigInt(i), BigInt(size), loadTile);
      expect(rootFromInclusion(hashLeaf(entry), BigInt(i), BigInt(size), path)).toEqual(rootOf(size));
    });
    for (let older = 1; older <= size; older++) {
      const path = consistencyFromTiles(BigInt(older), BigInt(size), loadTile);
      verifyConsistency(BigInt(older), rootOf(older), BigInt(size), rootOf(size), path);
    }
  });

  it('gives a tlog-proof for each entry', () => {
    entriesOf(15).forEach((entry, i) => {
      const proof = encodeTlogProof({
        index: BigInt(i),
        path: inclusionFromTiles(BigInt(i), 15n, loadTile),
        checkpoint: read('checkpoint.15'),
      });
      const { checkpoint, index, cosigners } = verifyTlogProof(proof, hashLeaf(entry), key);
      expect(index).toBe(BigInt(i));
      expect(checkpoint.size).toBe(15n);
      expect(cosigners).toEqual([]);
    });
  });
});
