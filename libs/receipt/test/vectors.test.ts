import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeCoseSign1, parseCoseSign1 } from '@margo-trust/cose';
import { parsePublicKey, sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { parseConsistencyReceipt, parseReceipt, verifyReceipt, type ReceiptKey } from '../src/index.ts';
import { bitFlips, refusal } from './log.ts';

/** Published statements with receipts; origins in test/vectors/README.md. */
const SCITT = join(import.meta.dirname, '../../../test/vectors/scitt');
const PAIRS = join(SCITT, 'scitt-cose/test-vectors/v1');

interface Expected {
  leaf_entry: string;
  leaf_index: number;
  tree_size: number;
  inclusion_path: string[];
  reconstructed_root: string;
  receipt_valid: boolean;
}

describe('published receipts', () => {
  it.each(['valid-es256', 'valid-eddsa', 'fail-bad-statement-sig'])('%s: the receipt holds', (name) => {
    const { receipt, statement, key, expected } = readPair(name);
    expect(expected.receipt_valid).toBe(true);
    expect(hex(statement.entry)).toBe(expected.leaf_entry);
    const verified = verifyReceipt(receipt, statement, [key]);
    expect(verified).toEqual({
      origin: key.origin,
      issuer: key.issuer,
      size: BigInt(expected.tree_size),
      index: BigInt(expected.leaf_index),
      root: new Uint8Array(Buffer.from(expected.reconstructed_root, 'hex')),
    });
    expect(parseReceipt(receipt).path.map(hex)).toEqual(expected.inclusion_path);
  });

  it.each(['valid-es256', 'valid-eddsa'])('%s: the leaf is the digest, not the statement', (name) => {
    const { receipt, statement, key } = readPair(name);
    expect(() => verifyReceipt(receipt, statement, [{ ...key, leafFormat: 'cose-raw' }])).toThrow(
      refusal('receipt/bad-signature'),
    );
  });

  it.each([
    ['fail-tampered-path', 'receipt/bad-signature'],
    ['fail-unsupported-vds', 'receipt/unsupported-vds'],
    // Holds for those who know CCF's data structure; it isn't ours.
    ['valid-ccf-vds2', 'receipt/unsupported-vds'],
  ])('%s: refused', (name, code) => {
    const { receipt, statement, key } = readPair(name);
    expect(() => verifyReceipt(receipt, statement, [key])).toThrow(refusal(code));
  });

  // Without `margo.checkpoint` the tree size is unauthenticated; here no flip of it happens to fit the path.
  it.each(['valid-es256', 'valid-eddsa'])('%s: refused when any bit flips', (name) => {
    const { receipt, statement, key } = readPair(name);
    for (const { flipped } of bitFlips(receipt)) {
      expect(() => verifyReceipt(flipped, statement, [key])).toThrow(Fault);
    }
  });
});

describe("the working group's examples", () => {
  it('decode as receipts of inclusion and of consistency', () => {
    expect(parseReceipt(read('inclusion-receipt.cbor'))).toMatchObject({
      size: 5n,
      index: 3n,
      issuer: 'https://transparency-service.example.com',
      kid: new Uint8Array(Buffer.from('test-key-1')),
    });
    const consistency = parseConsistencyReceipt(read('consistency-receipt.cbor'));
    expect(consistency).toMatchObject({ size1: 3n, size2: 5n });
    expect(consistency.path).toHaveLength(4);
  });

  const read = (file: string) => new Uint8Array(readFileSync(join(SCITT, 'cose-receipts-draft', file)));
});

function readPair(name: string) {
  const read = (file: string) => new Uint8Array(readFileSync(join(PAIRS, name, file)));
  const cose = parseCoseSign1(read('statement.cose'));
  const stripped = encodeCoseSign1({ ...cose, unprotectedHeader: new Map() });
  const spki = createPublicKey(Buffer.from(read('log-key.pub'))).export({ type: 'spki', format: 'der' });
  const key: ReceiptKey = {
    kid: new Uint8Array(0),
    key: parsePublicKey(new Uint8Array(spki)),
    issuer: 'https://log.example',
    origin: 'log.example',
    leafFormat: 'cose-digest',
  };
  const expected = JSON.parse(readFileSync(join(PAIRS, name, 'expected.json'), 'utf8')) as Expected;
  return { receipt: read('receipt.cose'), statement: { stripped, entry: sha256(stripped) }, key, expected };
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
