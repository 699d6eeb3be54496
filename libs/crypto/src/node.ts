import { hash, verify } from 'node:crypto';
import { openSslCheck } from './openssl.ts';
import type { SignatureCheck } from './check.ts';
import { badSignature } from './prepare.ts';

export { CryptoFault, type CryptoFaultCode } from './fault.ts';
export { assemblePublicKey, parsePublicKey, publicKeyParts, type PublicKey, type PublicKeyParts } from './key.ts';
export type { SignatureAlgorithm, SignatureCheck } from './check.ts';
export { verifyDigestSignature, type DigestCheck } from './digest-check.ts';

/** SHA-256 of the data (FIPS 180-4): 32 bytes. */
export function sha256(data: Uint8Array): Uint8Array {
  return digest('sha256', data);
}

/** SHA-384 of the data (FIPS 180-4): 48 bytes. */
export function sha384(data: Uint8Array): Uint8Array {
  return digest('sha384', data);
}

/** SHA-512 of the data (FIPS 180-4): 64 bytes. */
export function sha512(data: Uint8Array): Uint8Array {
  return digest('sha512', data);
}

/**
 * Returns if the signature is the key's over the data.
 *
 * Otherwise `crypto/algorithm-mismatch` when the algorithm does not go with the key, `crypto/bad-signature` in every
 * other case, malformed signatures included.
 */
export function verifySignature(check: SignatureCheck): void {
  const { digest, key, signature } = openSslCheck(check);
  if (!verify(digest, check.data, key, signature)) throw badSignature();
}

function digest(name: string, data: Uint8Array): Uint8Array {
  // By way of a text of one character a byte: a Buffer of node's costs several times the digest to make and to collect.
  const text = hash(name, data, 'binary');
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}
