import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '@margo-trust/fault';
import { hashLeaf } from '@margo-trust/merkle';
import {
  encodeTlogProof,
  inclusionFromTiles,
  parseEntryBundle,
  parseTlogProof,
  parseVerifierKey,
  tilePath,
  verifierKeyId,
  verifyTlogProof,
} from '../src/index.ts';

const LOG = join(import.meta.dirname, '../../../test/vectors/tlog/tessera-testlog/log');
const read = (path: string) => new Uint8Array(readFileSync(join(LOG, path)));
const key = parseVerifierKey('example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx');
const leaf = hashLeaf(parseEntryBundle(read('tile/entries/000.p/11'))[5]!);
const proof = {
  index: 5n,
  path: inclusionFromTiles(5n, 11n, (ref) => read(tilePath(ref))),
  checkpoint: read('checkpoint.11'),
};
const bytes = encodeTlogProof(proof);

describe('a tlog-proof', () => {
  it('has the lines of the specification and comes back from them', () => {
    const extra = Uint8Array.of(1, 2, 3);
    const text = Buffer.from(encodeTlogProof({ ...proof, extra })).toString();
    expect(text.split('\n').slice(0, 3)).toEqual(['c2sp.org/tlog-proof@v1', 'extra AQID', 'index 5']);
    expect(text.split('\n')[3 + proof.path.length]).toBe('');
    expect(parseTlogProof(encodeTlogProof({ ...proof, extra }))).toEqual({ ...proof, extra });
    expect(parseTlogProof(bytes)).toEqual(proof);
  });

  it('is refused when any bit flips', () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => verifyTlogProof(flipped, leaf, key)).toThrow(Fault);
    }
  });

  it('is refused for another leaf, by another log and when only a witness signed', () => {
    expect(() => verifyTlogProof(bytes, hashLeaf(new Uint8Array(1)), key)).toThrow(refusal('tlog/bad-proof'));
    const other = { ...key, keyHash: new Uint8Array(4) };
    expect(() => verifyTlogProof(bytes, leaf, other)).toThrow(refusal('tlog/unknown-signer'));
    expect(() => verifyTlogProof(bytes, leaf, other, [key])).toThrow(refusal('tlog/unknown-signer'));
  });

  it('counts a witness only if it signed', () => {
    const keyHash = verifierKeyId('w.example', key.publicKey, 4).slice(0, 4);
    const witness = { name: 'w.example', keyHash, type: 4, publicKey: key.publicKey };
    expect(verifyTlogProof(bytes, leaf, key, [witness]).cosigners).toEqual([]);
    // The log's key under a second reference is no witness either.
    expect(verifyTlogProof(bytes, leaf, key, [{ ...key }]).cosigners).toEqual([]);
  });

  const text = Buffer.from(bytes).toString();
  it.each([
    ['another version', text.replace('@v1', '@v2')],
    ['no index', text.replace('index 5\n', '')],
    ['an index with leading zeros', text.replace('index 5', 'index 05')],
    ['extra data that is not base64', text.replace('index', 'extra !\nindex')],
    ['extra data after the index', text.replace('index 5', 'index 5\nextra AQID')],
    ['a short hash', text.replace('index 5\n', 'index 5\nAQID\n')],
    ['65 hashes', text.replace('index 5\n', `index 5\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(65)}`)],
    ['no checkpoint', text.slice(0, text.indexOf('\n\n'))],
    ['bytes that are not text', `\u0000${text}`],
  ])('is refused with %s', (_, changed) => {
    expect(() => parseTlogProof(new Uint8Array(Buffer.from(changed)))).toThrow(refusal('tlog/bad-proof'));
  });

  it('gives a value or a fault for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.boolean(), (noise, withHeader) => {
        const input = withHeader ? new Uint8Array([...bytes.slice(0, 30), ...noise, 10, 10]) : noise;
        try {
          parseTlogProof(input);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
    );
  });
});

const refusal = (code: string) => expect.objectContaining({ code });
