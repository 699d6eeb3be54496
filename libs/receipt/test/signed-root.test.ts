import { describe, expect, it } from 'vitest';
import { encodeCbor } from '@margo-trust/cbor';
import { encodeCoseSign1, parseCoseSign1 } from '@margo-trust/cose';
import { Fault } from '@margo-trust/fault';
import { assembleReceipt, encodeSignedRoot, parseSignedRoot, verifyReceipt, verifySignedRoot } from '../src/index.ts';
import { bitFlips, makeLog, makeSigner, refusal } from './log.ts';

describe('a signed root', () => {
  const log = makeLog(7);
  const bytes = encodeSignedRoot(log);

  it('comes back from its bytes', () => {
    expect(parseSignedRoot(bytes)).toMatchObject({ root: log.root, origin: 'log.registry.example', signedSize: 7n });
  });

  it('shows the tree that the log signed', () => {
    expect(verifySignedRoot(bytes, [log.key])).toEqual({
      origin: 'log.registry.example',
      size: 7n,
      root: log.root,
      issuer: 'https://registry.example',
      issuedAt: new Date('2026-09-01T10:20:30Z'),
    });
  });

  it('makes the receipts that the log makes, byte for byte', () => {
    const signed = parseSignedRoot(bytes);
    for (const [i, path] of log.paths.entries()) {
      const receipt = assembleReceipt(signed, { index: BigInt(i), path });
      expect(receipt).toEqual(log.receiptOf(i));
      expect(verifyReceipt(receipt, log.statements[i]!, [log.key]).index).toBe(BigInt(i));
    }
  });

  it('makes none for what is not in the tree', () => {
    const ask = () => assembleReceipt(parseSignedRoot(bytes), { index: 7n, path: log.paths[0]! });
    expect(ask).toThrow(refusal('receipt/not-included'));
  });

  it('is refused under another key, and when any bit flips', () => {
    expect(() => verifySignedRoot(bytes, [makeSigner().key])).toThrow(refusal('receipt/unknown-key'));
    for (const { flipped } of bitFlips(bytes)) {
      expect(() => verifySignedRoot(flipped, [log.key])).toThrow(Fault);
    }
  });

  it('is refused without root or without size', () => {
    const cose = parseCoseSign1(bytes);
    const bare = new Map([...cose.protectedHeader].filter(([label]) => label !== 'margo.checkpoint'));
    for (const other of [
      { ...cose, payload: undefined },
      { ...cose, payload: log.root.slice(1) },
      { ...cose, protectedBytes: encodeCbor(bare) },
    ]) {
      expect(() => parseSignedRoot(encodeCoseSign1(other))).toThrow(refusal('receipt/malformed'));
    }
  });
});
