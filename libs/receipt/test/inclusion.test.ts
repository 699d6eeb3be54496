import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CborTag, decodeCbor, encodeCbor, type CborValue } from '@margo-trust/cbor';
import { encodeCoseSign1, parseCoseSign1 } from '@margo-trust/cose';
import { Fault } from '@margo-trust/fault';
import {
  encodeReceipt,
  encodeReceiptProtected,
  parseReceipt,
  receiptToBeSigned,
  verifyReceipt,
  type InclusionProof,
} from '../src/index.ts';
import { bitFlips, makeLog, makeSigner, makeStatement, refusal } from './log.ts';

describe('a receipt of inclusion', () => {
  const log = makeLog(7);
  const receipt = log.receiptOf(4);
  const statement = log.statements[4]!;

  it('shows where the statement is and what the log says of itself', () => {
    expect(verifyReceipt(receipt, statement, [log.key])).toEqual({
      origin: 'log.registry.example',
      size: 7n,
      index: 4n,
      root: log.root,
      issuer: 'https://registry.example',
      issuedAt: new Date('2026-09-01T10:20:30Z'),
    });
  });

  it('reads back as it was written', () => {
    expect(parseReceipt(receipt)).toMatchObject({
      kid: log.key.kid,
      issuer: 'https://registry.example',
      subject: 'margo.tlog.receipt.v1',
      issuedAt: new Date('2026-09-01T10:20:30Z'),
      origin: 'log.registry.example',
      signedSize: 7n,
      size: 7n,
      index: 4n,
      path: log.paths[4],
      proofs: [{ size: 7n, index: 4n, path: log.paths[4] }],
    });
  });

  it('is the CBOR that the deterministic encoder writes, for any size', () => {
    const uint = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    const bytes = (max: number) => fc.uint8Array({ maxLength: max });
    const path = fc.array(fc.uint8Array({ minLength: 32, maxLength: 32 }), { minLength: 1, maxLength: 65 });
    fc.assert(
      fc.property(uint, uint, path, bytes(300), bytes(300), (size, index, path, protectedBytes, signature) => {
        const proof = encodeCbor([size, index, path]);
        expect(encodeReceipt({ protectedBytes, signature, size, index, path })).toEqual(
          encodeCoseSign1({
            protectedBytes,
            unprotectedHeader: new Map([[396, new Map([[-1, [proof]]])]]),
            payload: undefined,
            signature,
          }),
        );
      }),
    );
  });

  it('shares its signature with all receipts of the checkpoint', () => {
    log.statements.forEach((s, i) => {
      expect(verifyReceipt(log.receiptOf(i), s, [log.key]).index).toBe(BigInt(i));
      expect(parseReceipt(log.receiptOf(i)).cose.signature).toEqual(log.signature);
    });
  });

  // Nothing in our receipts is unauthenticated: the label binds the size, and size and path bind the index.
  it('is refused when any of its bits flips', () => {
    for (const { flipped } of bitFlips(receipt)) {
      expect(() => verifyReceipt(flipped, statement, [log.key])).toThrow(Fault);
    }
  });

  it('is refused when any bit of the entry flips', () => {
    for (const { flipped } of bitFlips(statement.entry)) {
      expect(() => verifyReceipt(receipt, { ...statement, entry: flipped }, [log.key])).toThrow(
        refusal('receipt/bad-signature'),
      );
    }
  });

  it('counts by a key that speaks for the size of its tree only', () => {
    for (const window of [{ fromSize: 7n }, { untilSize: 8n }, { fromSize: 7n, untilSize: 8n }]) {
      expect(verifyReceipt(receipt, statement, [{ ...log.key, ...window }]).size).toBe(7n);
    }
    for (const window of [{ fromSize: 8n }, { untilSize: 7n }]) {
      const key = { ...log.key, ...window };
      expect(() => verifyReceipt(receipt, statement, [key])).toThrow(refusal('receipt/retired-key'));
    }
  });

  it('is refused for another statement, by another key, issuer or log', () => {
    expect(() => verifyReceipt(receipt, makeStatement(5), [log.key])).toThrow(refusal('receipt/bad-signature'));
    expect(() => verifyReceipt(receipt, statement, [])).toThrow(refusal('receipt/unknown-key'));
    expect(() => verifyReceipt(receipt, statement, [makeSigner().key])).toThrow(refusal('receipt/unknown-key'));
    const impostor = { ...makeSigner().key, kid: log.key.kid };
    expect(() => verifyReceipt(receipt, statement, [impostor])).toThrow(refusal('receipt/bad-signature'));
    expect(() => verifyReceipt(receipt, statement, [{ ...log.key, issuer: 'https://x.example' }])).toThrow(
      refusal('receipt/issuer-mismatch'),
    );
    expect(() => verifyReceipt(receipt, statement, [{ ...log.key, origin: 'log.x.example' }])).toThrow(
      refusal('receipt/checkpoint-mismatch'),
    );
  });

  it('finds its key among others', () => {
    const others = [makeSigner().key, { ...log.key, origin: 'log.x.example' }, log.key];
    expect(verifyReceipt(receipt, statement, others).origin).toBe('log.registry.example');
  });

  it('is refused for a size that was not signed, although the path fits', () => {
    // Leaf 2 of 7 has the same path as leaf 2 of 8 would have with the same hashes.
    const { protectedBytes, signature, paths } = log;
    const other = encodeReceipt({ protectedBytes, signature, size: 8n, index: 2n, path: paths[2]! });
    expect(() => verifyReceipt(other, log.statements[2]!, [log.key])).toThrow(refusal('receipt/checkpoint-mismatch'));
  });

  it('hashes the statement itself in a log of raw leaves', () => {
    const raw = makeLog(5, 'cose-raw');
    expect(verifyReceipt(raw.receiptOf(3), raw.statements[3]!, [raw.key]).index).toBe(3n);
    const asDigest = { ...raw.key, leafFormat: 'cose-digest' as const };
    expect(() => verifyReceipt(raw.receiptOf(3), raw.statements[3]!, [asDigest])).toThrow(
      refusal('receipt/bad-signature'),
    );
  });

  it('may carry several proofs, of which one must be for the statement', () => {
    const several = withProofs(receipt, [proofOf(0), proofOf(4)]);
    expect(parseReceipt(several).proofs).toHaveLength(2);
    expect(verifyReceipt(several, statement, [log.key]).index).toBe(4n);
    expect(verifyReceipt(several, log.statements[0]!, [log.key]).index).toBe(0n);
    expect(() => verifyReceipt(several, log.statements[1]!, [log.key])).toThrow(refusal('receipt/bad-signature'));
    expect(() => verifyReceipt(withProofs(receipt, [proofOf(4), proofOf(0, 6n)]), statement, [log.key])).toThrow(
      refusal('receipt/checkpoint-mismatch'),
    );
    expect(() =>
      parseReceipt(
        withProofs(
          receipt,
          Array.from({ length: 9 }, () => proofOf(4)),
        ),
      ),
    ).toThrow(refusal('receipt/malformed'));
  });

  it('may attach the tree root as payload if it is the right one', () => {
    const attach = (payload: Uint8Array) => encodeCoseSign1({ ...parseCoseSign1(receipt), payload });
    expect(verifyReceipt(attach(log.root), statement, [log.key]).root).toEqual(log.root);
    expect(() => verifyReceipt(attach(new Uint8Array(32)), statement, [log.key])).toThrow(
      refusal('receipt/bad-signature'),
    );
    // The signature is good for the payload, but the proof of this statement doesn't lead to it.
    expect(() => verifyReceipt(attach(log.root), makeStatement(9), [log.key])).toThrow(
      refusal('receipt/bad-signature'),
    );
  });

  it('has no form for a tree of one leaf', () => {
    const { protectedBytes, signature } = log;
    const empty = { protectedBytes, signature, size: 1n, index: 0n, path: [] };
    expect(() => encodeReceipt(empty)).toThrow(refusal('receipt/empty-path'));
    const forged = withProofs(receipt, [{ size: 1n, index: 0n, path: [] }]);
    expect(() => parseReceipt(forged)).toThrow(refusal('receipt/empty-path'));
  });

  it('is refused with a path that is too short or too long, or an index outside the tree', () => {
    for (const proof of [
      { ...proofOf(4), path: proofOf(4).path.slice(1) },
      { ...proofOf(4), path: [...proofOf(4).path, log.root] },
      { ...proofOf(4), index: 7n },
    ]) {
      expect(() => verifyReceipt(withProofs(receipt, [proof]), statement, [log.key])).toThrow(
        refusal('receipt/not-included'),
      );
    }
  });

  it.each([
    ['no proofs', new Map()],
    ['proofs that are no map', new Map([[396, [1]]])],
    ['an empty list of proofs', vdp([])],
    ['a proof that is not wrapped', vdp([[7, 4, [new Uint8Array(32)]]])],
    ['a proof that is not CBOR', vdp([Uint8Array.of(0xff)])],
    ['a proof of another shape', vdp([encodeCbor([7, 4])])],
    ['a negative size', vdp([encodeCbor([-7, 4, [new Uint8Array(32)]])])],
    ['a text for an index', vdp([encodeCbor([7, '4', [new Uint8Array(32)]])])],
    ['a path that is no list', vdp([encodeCbor([7, 4, 5])])],
    ['a short hash', vdp([encodeCbor([7, 4, [new Uint8Array(31)]])])],
    ['66 hashes', vdp([encodeCbor([7, 4, Array.from({ length: 66 }, () => new Uint8Array(32))])])],
  ])('is malformed with %s', (_, unprotectedHeader: Map<CborValue, CborValue>) => {
    const bytes = encodeCoseSign1({ ...parseCoseSign1(receipt), unprotectedHeader });
    expect(() => parseReceipt(bytes)).toThrow(refusal('receipt/malformed'));
  });

  it.each<[string, number | string, CborValue]>([
    ['a kid that is text', 4, 'kid'],
    ['claims that are no map', 15, 'x'],
    ['an issuer that is no text', 15, new Map([[1, 5]])],
    ['a time that is none', 15, new Map([[6, 'now']])],
    ['a time beyond the calendar', 15, new Map([[6, 1e15]])],
    ['a checkpoint that is no pair', 'margo.checkpoint', ['log']],
    ['a checkpoint without size', 'margo.checkpoint', ['log', -1]],
  ])('is malformed with %s', (_, label, value) => {
    expect(() => parseReceipt(withHeader(label, value))).toThrow(refusal('receipt/malformed'));
  });

  it('is refused for another data structure, which only the protected header names', () => {
    expect(() => parseReceipt(withHeader(395, 2))).toThrow(refusal('receipt/unsupported-vds'));
    const cose = parseCoseSign1(withHeader(395, 2));
    const unprotectedHeader = new Map([...cose.unprotectedHeader, [395, 1] as const]);
    expect(() => parseReceipt(encodeCoseSign1({ ...cose, unprotectedHeader }))).toThrow(
      refusal('receipt/unsupported-vds'),
    );
  });

  it('may say its time under tag 1', () => {
    const time = new Map<CborValue, CborValue>([[6, new CborTag(1, 1_700_000_000)]]);
    expect(parseReceipt(withHeader(15, time)).issuedAt).toEqual(new Date('2023-11-14T22:13:20Z'));
  });

  it('gives a value or a fault for any bytes', () => {
    const noise = fc.tuple(fc.nat(receipt.length - 1), fc.uint8Array({ minLength: 1, maxLength: 20 }));
    fc.assert(
      fc.property(noise, ([at, bytes]) => {
        const noisy = receipt.slice();
        noisy.set(bytes.slice(0, noisy.length - at), at);
        for (const input of [noisy, bytes]) {
          try {
            parseReceipt(input);
          } catch (error) {
            expect(error).toBeInstanceOf(Fault);
          }
        }
      }),
    );
  });

  function proofOf(index: number, size = 7n): InclusionProof {
    return { size, index: BigInt(index), path: log.paths[index]! };
  }

  function withHeader(label: number | string, value: CborValue): Uint8Array {
    const cose = parseCoseSign1(receipt);
    const header = new Map([...cose.protectedHeader]).set(label, value);
    return encodeCoseSign1({ ...cose, protectedBytes: encodeCbor(header) });
  }
});

describe("a third party's receipt", () => {
  it('is accepted without kid, claims and checkpoint; then its tree size is not signed', () => {
    const log = makeLog(8);
    const protectedBytes = encodeCbor(
      new Map([
        [1, -7],
        [395, 1],
      ]),
    );
    const signature = log.sign(receiptToBeSigned(protectedBytes, log.root));
    const receipt = (size: bigint) =>
      encodeReceipt({ protectedBytes, signature, size, index: 5n, path: log.paths[5]! });
    const keys = [makeSigner().key, log.key];
    const verified = verifyReceipt(receipt(8n), log.statements[5]!, keys);
    expect(verified).toEqual({
      origin: log.key.origin,
      issuer: log.key.issuer,
      size: 8n,
      index: 5n,
      root: log.root,
    });
    expect(verifyReceipt(receipt(7n), log.statements[5]!, keys).size).toBe(7n);
    expect(() => verifyReceipt(receipt(8n), log.statements[5]!, [makeSigner().key])).toThrow(
      refusal('receipt/bad-signature'),
    );
  });

  it('is refused when it has a critical header that nobody here understands', () => {
    const log = makeLog(2);
    const header = decodeCbor(log.protectedBytes) as Map<CborValue, CborValue>;
    const protectedBytes = encodeCbor(new Map([...header, [2, ['strange']], ['strange', 1]]));
    const signature = log.sign(receiptToBeSigned(protectedBytes, log.root));
    const receipt = encodeReceipt({ protectedBytes, signature, size: 2n, index: 0n, path: log.paths[0]! });
    expect(() => verifyReceipt(receipt, log.statements[0]!, [log.key])).toThrow(refusal('cose/critical-header'));
  });
});

describe('encodeReceiptProtected', () => {
  it('is the header of the design, deterministic', () => {
    const kid = Uint8Array.of(1, 2);
    const issuedAt = new Date('2026-09-01T00:00:00Z');
    const spec = { kid, issuer: 'https://r.example', issuedAt, origin: 'log', size: 9n, algorithm: 'ES256' as const };
    const header = decodeCbor(encodeReceiptProtected(spec));
    expect(header).toEqual(
      new Map<CborValue, CborValue>([
        [1, -7],
        [4, kid],
        [
          15,
          new Map<CborValue, CborValue>([
            [1, 'https://r.example'],
            [2, 'margo.tlog.receipt.v1'],
            [6, issuedAt.getTime() / 1000],
          ]),
        ],
        [395, 1],
        ['margo.checkpoint', ['log', 9]],
      ]),
    );
  });
});

function withProofs(receipt: Uint8Array, proofs: readonly InclusionProof[]): Uint8Array {
  const wrapped = proofs.map(({ size, index, path }) => encodeCbor([size, index, path]));
  return encodeCoseSign1({ ...parseCoseSign1(receipt), unprotectedHeader: vdp(wrapped) });
}

function vdp(proofs: CborValue): Map<CborValue, CborValue> {
  return new Map([[396, new Map([[-1, proofs]])]]);
}
