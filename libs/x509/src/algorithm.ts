import { areEqualBytes } from '@margo-trust/bytes';
import type { PublicKey, SignatureAlgorithm } from '@margo-trust/crypto';
import { openDer, type DerNode, readOid } from './der/read.ts';
import { TAG } from './der/tag.ts';
import { derExplicit, derInteger, derNull, derOid, derSequence } from './der/write.ts';
import { X509Fault } from './fault.ts';
import { OID } from './oid.ts';

/** AlgorithmIdentifier (RFC 5280 §4.1.1.2): what was read and, if it is one we verify, its name here. */
export interface AlgorithmRead {
  readonly oid: string;
  readonly algorithm?: SignatureAlgorithm;
}

/**
 * Names the signature algorithm of an AlgorithmIdentifier. Only the exact encodings of RFC 5758, RFC 4055 and RFC 8410
 * have a name; SHA-1, MD5, DSA and RSA-PSS with unusual parameters have none and so can't be verified.
 */
export function readSignatureAlgorithm(node: DerNode): AlgorithmRead {
  const oid = readOid(openDer(node).next(TAG.oid));
  const known = ALGORITHMS.find(([, der]) => areEqualBytes(der, node.der));
  return known ? { oid, algorithm: known[0] } : { oid };
}

/** AlgorithmIdentifier of a signature. */
export function encodeSignatureAlgorithm(algorithm: SignatureAlgorithm): Uint8Array {
  const known = ALGORITHMS.find(([name]) => name === algorithm);
  if (!known) throw new X509Fault('x509/unsupported', `Certificates are not signed with ${algorithm}.`);
  return known[1];
}

/** The algorithm a CA with this key signs certificates and CRLs with: the digest as strong as the curve. */
export function certificateSignatureAlgorithm(key: PublicKey): SignatureAlgorithm {
  switch (key.type) {
    case 'P-256':
      return 'ES256';
    case 'P-384':
      return 'ES384';
    case 'P-521':
      return 'ES512';
    case 'RSA':
      return 'RS256';
    case 'Ed25519':
      return 'Ed25519';
  }
}

const ALGORITHMS: readonly (readonly [SignatureAlgorithm, Uint8Array])[] = [
  ['ES256', derSequence(derOid(OID.ecdsaWithSha256))],
  ['ES384', derSequence(derOid(OID.ecdsaWithSha384))],
  ['ES512', derSequence(derOid(OID.ecdsaWithSha512))],
  ['RS256', derSequence(derOid(OID.rsaWithSha256), derNull())],
  ['RS384', derSequence(derOid(OID.rsaWithSha384), derNull())],
  ['RS512', derSequence(derOid(OID.rsaWithSha512), derNull())],
  ['PS256', encodePss(derSequence(derOid(OID.sha256), derNull()), 32)],
  ['PS384', encodePss(derSequence(derOid(OID.sha384), derNull()), 48)],
  ['PS512', encodePss(derSequence(derOid(OID.sha512), derNull()), 64)],
  ['Ed25519', derSequence(derOid(OID.ed25519))],
  // RFC 4055 §2.1: digests are to be read with and without the NULL.
  ['PS256', encodePss(derSequence(derOid(OID.sha256)), 32)],
  ['PS384', encodePss(derSequence(derOid(OID.sha384)), 48)],
  ['PS512', encodePss(derSequence(derOid(OID.sha512)), 64)],
];

/** RSASSA-PSS-params (RFC 4055 §3.1): one digest for message and mask, salt as long as the digest. */
function encodePss(hash: Uint8Array, saltLength: number): Uint8Array {
  return derSequence(
    derOid(OID.rsaPss),
    derSequence(
      derExplicit(0, hash),
      derExplicit(1, derSequence(derOid(OID.mgf1), hash)),
      derExplicit(2, derInteger(saltLength)),
    ),
  );
}
