import { expect } from 'vitest';
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { parsePublicKey } from '@margo-trust/crypto';
import { appendLeaves, emptyRange, hashLeaf, provePathsOfAppended, rootOfRange, type Hash } from '@margo-trust/merkle';
import { encodeReceipt, encodeReceiptProtected, receiptToBeSigned, type ReceiptKey } from '../src/index.ts';

/** A log of `size` leaves with statement `i` at index `i`, and one signature for all their receipts. */
export function makeLog(size: number, leafFormat: ReceiptKey['leafFormat'] = 'cose-digest') {
  const statements = Array.from({ length: size }, (_, i) => makeStatement(i));
  const leaves = statements.map((s) => hashLeaf(leafFormat === 'cose-digest' ? s.entry : s.stripped));
  const root = rootOfRange(appendLeaves(emptyRange(), leaves));
  const paths = provePathsOfAppended(emptyRange(), leaves);
  const signer = makeSigner(leafFormat);
  const protectedBytes = encodeReceiptProtected({
    kid: signer.key.kid,
    issuer: signer.key.issuer,
    issuedAt: new Date('2026-09-01T10:20:30.999Z'),
    origin: signer.key.origin,
    size: BigInt(size),
    algorithm: 'ES256',
  });
  const signature = signer.sign(receiptToBeSigned(protectedBytes, root));
  const receiptOf = (index: number) =>
    encodeReceipt({ protectedBytes, signature, size: BigInt(size), index: BigInt(index), path: paths[index]! });
  return { statements, leaves, root, paths, ...signer, protectedBytes, signature, receiptOf };
}

export function makeStatement(n: number) {
  const stripped = new Uint8Array(Buffer.from(`statement ${n}`));
  return { stripped, entry: new Uint8Array(createHash('sha256').update(stripped).digest()) };
}

export function makeSigner(leafFormat: ReceiptKey['leafFormat'] = 'cose-digest') {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  const key: ReceiptKey = {
    kid: new Uint8Array(createHash('sha256').update(spki).digest()),
    key: parsePublicKey(spki),
    issuer: 'https://registry.example',
    origin: 'log.registry.example',
    leafFormat,
  };
  return { key, privateKey, sign: (data: Uint8Array): Hash => signEs256(data, privateKey) };
}

function signEs256(data: Uint8Array, key: KeyObject): Uint8Array {
  return new Uint8Array(sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' }));
}

/** All copies of `bytes` that differ in exactly one bit, with the number of the byte. */
export function* bitFlips(bytes: Uint8Array): Generator<{ flipped: Uint8Array; at: number }> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    yield { flipped, at: bit >> 3 };
  }
}

export const refusal = (code: string) => expect.objectContaining({ code });
