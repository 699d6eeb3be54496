import { p256, p384, p521 } from '@noble/curves/nist.js';
import { concatBytes } from '@margo-trust/bytes';
import { CryptoFault } from './fault.ts';
import { publicKeyParts, type PublicKey } from './key.ts';
import { badSignature, prepareCheck } from './prepare.ts';

/** An ECDSA signature over something that the checker does not have, but its digest. */
export interface DigestCheck {
  readonly key: PublicKey;
  /** By the hash that the signer used; which one it was, the caller must know. */
  readonly digest: Uint8Array;
  /** The DER SEQUENCE of r and s. */
  readonly signature: Uint8Array;
}

/**
 * Returns if the key's owner has signed something with this digest (FIPS 186-5 §6.4.2, without its first step).
 *
 * Throws as `verifySignature` does. In the language alone on every platform, a millisecond or two: OpenSSL, as Node offers it,
 * wants the data itself.
 */
export function verifyDigestSignature({ key, digest, signature }: DigestCheck): void {
  const parts = publicKeyParts(key);
  if (!('y' in parts)) {
    throw new CryptoFault('crypto/algorithm-mismatch', `ECDSA does not go with a key of type ${key.type}.`);
  }
  const raw = prepareCheck({ algorithm: 'ES256', key, data: digest, signature, encoding: 'der' }).signature;
  const point = concatBytes(Uint8Array.of(4), parts.x, parts.y);
  if (!CURVES[parts.type].verify(raw, digest, point, { prehash: false, lowS: false })) throw badSignature();
}

const CURVES = { 'P-256': p256, 'P-384': p384, 'P-521': p521 };
