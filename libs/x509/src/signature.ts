import { verifySignature, type PublicKey, type SignatureAlgorithm } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { encodeSignatureAlgorithm } from './algorithm.ts';
import { derBitString, derInteger, derSequence } from './der/write.ts';
import { X509Fault } from './fault.ts';

/** What certificates, CRLs and requests have in common: a signed part, an algorithm, a signature. */
export interface SignedObject {
  readonly tbs: Uint8Array;
  readonly signatureAlgorithmOid: string;
  readonly signatureAlgorithm?: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** Throws `x509/unsupported` or `x509/bad-signature` unless `key` signed the object. */
export function verifySigned(object: SignedObject, key: PublicKey): void {
  const { signatureAlgorithm: algorithm } = object;
  if (!algorithm) {
    throw new X509Fault('x509/unsupported', `Signature algorithm ${object.signatureAlgorithmOid} is not accepted.`);
  }
  try {
    verifySignature({ algorithm, key, data: object.tbs, signature: object.signature, encoding: 'der' });
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    if (cause.code === 'crypto/unsupported') {
      throw new X509Fault('x509/unsupported', 'Signatures of this kind cannot be checked here.', { cause });
    }
    throw new X509Fault('x509/bad-signature', 'The signature does not verify with the key of the issuer.', { cause });
  }
}

/**
 * Joins a signed part with its signature (RFC 5280 §4.1.1, §5.1.1).
 *
 * `signature` of an ECDSA algorithm is raw r‖s, as signers give it; here it becomes the SEQUENCE that X.509 wants
 * (RFC 3279 §2.2.3). Whether it verifies is not checked.
 */
export function assembleSigned(tbs: Uint8Array, algorithm: SignatureAlgorithm, signature: Uint8Array): Uint8Array {
  return derSequence(
    tbs,
    encodeSignatureAlgorithm(algorithm),
    derBitString(encodeSignatureValue(algorithm, signature)),
  );
}

/** The signature value inside X.509 and CMS: ECDSA as SEQUENCE of r and s, all others as they are. */
export function encodeSignatureValue(algorithm: SignatureAlgorithm, signature: Uint8Array): Uint8Array {
  const half = COORDINATE_BYTES[algorithm];
  if (half === undefined) return signature;
  if (signature.length !== 2 * half) {
    throw new X509Fault('x509/invalid-spec', `A raw ${algorithm} signature has ${2 * half} bytes.`);
  }
  return derSequence(derInteger(signature.subarray(0, half)), derInteger(signature.subarray(half)));
}

const COORDINATE_BYTES: Partial<Record<SignatureAlgorithm, number>> = { ES256: 32, ES384: 48, ES512: 66 };
