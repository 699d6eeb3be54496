import { describe, expect, it } from 'vitest';
import { encodeCbor } from '@margo-trust/cbor';
import { encodeCoseSign1, parseCoseSign1 } from '@margo-trust/cose';
import { Fault } from '@margo-trust/fault';
import { appendLeaves, emptyRange, rootOfRange } from '@margo-trust/merkle';
import { referenceConsistency } from '../../merkle/test/reference.ts';
import {
  encodeConsistencyReceipt,
  parseConsistencyReceipt,
  parseReceipt,
  verifyConsistencyReceipt,
} from '../src/index.ts';
import { bitFlips, makeLog, refusal } from './log.ts';

describe('a receipt of consistency', () => {
  const log = makeLog(7);
  const rootAt = (size: number) => rootOfRange(appendLeaves(emptyRange(), log.leaves.slice(0, size)));
  const older = { size: 3n, root: rootAt(3) };
  const path = referenceConsistency(3, log.leaves);
  const { protectedBytes, signature } = log;
  const receipt = encodeConsistencyReceipt({ protectedBytes, signature, size1: 3n, size2: 7n, path });

  it('shows the newer tree, under the signature that its receipts of inclusion have', () => {
    expect(verifyConsistencyReceipt(receipt, older, [log.key])).toEqual({
      origin: 'log.registry.example',
      size: 7n,
      root: log.root,
      issuer: 'https://registry.example',
      issuedAt: new Date('2026-09-01T10:20:30Z'),
    });
  });

  it('reads back as it was written', () => {
    expect(parseConsistencyReceipt(receipt)).toMatchObject({ size1: 3n, size2: 7n, path, signedSize: 7n });
  });

  it('works from every smaller tree', () => {
    for (const size of [1, 2, 3, 4, 5, 6]) {
      const bytes = encodeConsistencyReceipt({
        protectedBytes,
        signature,
        size1: BigInt(size),
        size2: 7n,
        path: referenceConsistency(size, log.leaves),
      });
      const from = { size: BigInt(size), root: rootAt(size) };
      expect(verifyConsistencyReceipt(bytes, from, [log.key]).root).toEqual(log.root);
    }
  });

  it('is refused when any of its bits flips', () => {
    for (const { flipped } of bitFlips(receipt)) {
      expect(() => verifyConsistencyReceipt(flipped, older, [log.key])).toThrow(Fault);
    }
  });

  it('is refused from another tree or size, and when it is none', () => {
    const verify = (from: { size: bigint; root: Uint8Array }) => verifyConsistencyReceipt(receipt, from, [log.key]);
    expect(() => verify({ size: 3n, root: rootAt(4) })).toThrow(refusal('receipt/not-consistent'));
    expect(() => verify({ size: 4n, root: rootAt(4) })).toThrow(refusal('receipt/not-consistent'));
    expect(() => verifyConsistencyReceipt(log.receiptOf(4), older, [log.key])).toThrow(refusal('receipt/malformed'));
    expect(() => parseReceipt(receipt)).toThrow(refusal('receipt/malformed'));
  });

  it('is refused for a newer size that was not signed', () => {
    const other = encodeConsistencyReceipt({ protectedBytes, signature, size1: 3n, size2: 8n, path });
    expect(() => verifyConsistencyReceipt(other, older, [log.key])).toThrow(refusal('receipt/checkpoint-mismatch'));
  });

  it('may attach the newer root if it is the right one', () => {
    const attach = (payload: Uint8Array) => encodeCoseSign1({ ...parseCoseSign1(receipt), payload });
    expect(verifyConsistencyReceipt(attach(log.root), older, [log.key]).root).toEqual(log.root);
    expect(() => verifyConsistencyReceipt(attach(older.root), older, [log.key])).toThrow(
      refusal('receipt/bad-signature'),
    );
  });

  it('may carry proofs from several trees', () => {
    const proofs = [1, 3].map((size) => encodeCbor([size, 7, referenceConsistency(size, log.leaves)]));
    const unprotectedHeader = new Map([[396, new Map([[-2, proofs]])]]);
    const several = encodeCoseSign1({ ...parseCoseSign1(receipt), unprotectedHeader });
    expect(verifyConsistencyReceipt(several, older, [log.key]).size).toBe(7n);
    expect(verifyConsistencyReceipt(several, { size: 1n, root: rootAt(1) }, [log.key]).size).toBe(7n);
  });

  it('has no form between trees of one size', () => {
    expect(() => encodeConsistencyReceipt({ protectedBytes, signature, size1: 7n, size2: 7n, path: [] })).toThrow(
      refusal('receipt/empty-path'),
    );
  });
});
