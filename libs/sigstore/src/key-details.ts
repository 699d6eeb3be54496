import { sha256, sha384, type PublicKey, type SignatureAlgorithm } from '@margo-trust/crypto';

/**
 * A kind of key with its digest, by the names of protobuf-specs. Of Sigstore's, those two that a vendor's certificate may
 * have: with an RSA key its tools would sign by PKCS #1 v1.5, which our profile does not admit.
 */
export type KeyDetails = 'PKIX_ECDSA_P256_SHA_256' | 'PKIX_ECDSA_P384_SHA_384';

export interface KeyKind {
  readonly key: PublicKey['type'];
  readonly algorithm: SignatureAlgorithm;
  /** Name of the digest in a log entry. */
  readonly digest: 'SHA2_256' | 'SHA2_384';
  readonly digestBytes: number;
  readonly hash: (data: Uint8Array) => Uint8Array;
}

export const KEY_KINDS: Readonly<Record<KeyDetails, KeyKind>> = {
  PKIX_ECDSA_P256_SHA_256: { key: 'P-256', algorithm: 'ES256', digest: 'SHA2_256', digestBytes: 32, hash: sha256 },
  PKIX_ECDSA_P384_SHA_384: { key: 'P-384', algorithm: 'ES384', digest: 'SHA2_384', digestBytes: 48, hash: sha384 },
};

export function isKeyDetails(name: unknown): name is KeyDetails {
  return typeof name === 'string' && Object.hasOwn(KEY_KINDS, name);
}
