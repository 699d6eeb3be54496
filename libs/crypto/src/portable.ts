import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import * as sha2 from '@noble/hashes/sha2.js';
import { areEqualBytes, concatBytes } from '@margo-trust/bytes';
import type { SignatureCheck } from './check.ts';
import { littleEndian } from './curve.ts';
import { CryptoFault } from './fault.ts';
import { publicKeyParts } from './key.ts';
import { badSignature, prepareCheck } from './prepare.ts';

export { CryptoFault, type CryptoFaultCode } from './fault.ts';
export { assemblePublicKey, parsePublicKey, publicKeyParts, type PublicKey, type PublicKeyParts } from './key.ts';
export type { SignatureAlgorithm, SignatureCheck } from './check.ts';
export { verifyDigestSignature, type DigestCheck } from './digest-check.ts';
/** SHA-256 of the data (FIPS 180-4): 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return sha2.sha256(data);
}

/** SHA-384 of the data (FIPS 180-4): 48 bytes. */
export function sha384(data: Uint8Array): Uint8Array {
  return sha2.sha384(data);
}

/** SHA-512 of the data (FIPS 180-4): 64 bytes. */
export function sha512(data: Uint8Array): Uint8Array {
  return sha2.sha512(data);
}

/**
 * Returns if the signature is the key's over the data: in the language alone, a hundred times slower than in Node.
 *
 * RSA is not offered here and throws `crypto/unsupported`. Otherwise the faults are those of the Node twin:
 * `crypto/algorithm-mismatch` when the algorithm does not go with the key, `crypto/bad-signature` in every other case.
 */
export function verifySignature(check: SignatureCheck): void {
  const prepared = prepareCheck(check);
  switch (prepared.kind) {
    case 'ecdsa': {
      const digest = HASHES[prepared.hash](check.data);
      const point = pointOf(check);
      if (!ECDSA[prepared.curve].verify(prepared.signature, digest, point, { prehash: false, lowS: false })) {
        throw badSignature();
      }
      return;
    }
    case 'ed25519':
      return verifyEd25519(check);
    default:
      throw new CryptoFault('crypto/unsupported', 'RSA signatures cannot be checked on this platform.');
  }
}

/** The key in SEC 1 form, 04 ‖ x ‖ y. */
function pointOf({ key }: SignatureCheck): Uint8Array {
  const parts = publicKeyParts(key);
  if (!('y' in parts)) throw new Error('A checked elliptic key has two coordinates.');
  return concatBytes(Uint8Array.of(4), parts.x, parts.y);
}

/**
 * RFC 8032 §5.1.7 by the stricter of its two equations, R = [S]B − [k]A, compared in encoded form as OpenSSL does.
 * The library's own `verify` multiplies by the cofactor and so accepts signatures that Node refuses.
 */
function verifyEd25519({ key, data, signature }: SignatureCheck): void {
  const { Point } = ed25519;
  const parts = publicKeyParts(key);
  if (parts.type !== 'Ed25519') throw new Error('A checked Ed25519 key has one coordinate.');
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
  const k = littleEndian(sha512(concatBytes(r, parts.x, data))) % Point.Fn.ORDER;
  const expected = Point.BASE.multiplyUnsafe(littleEndian(s)).subtract(Point.fromBytes(parts.x).multiplyUnsafe(k));
  if (!areEqualBytes(expected.toBytes(), r)) throw badSignature();
}

const HASHES = { sha256, sha384, sha512 };
const ECDSA = { 'P-256': p256, 'P-384': p384, 'P-521': p521 };
