import type { PublicKey, SignatureCheck } from '@margo-trust/crypto';
import { readSignatureAlgorithm } from './algorithm.ts';
import { readPublicKey } from './certificate.ts';
import { malformed, openDer, readBitStringBytes, readDer, readSmallInteger } from './der/read.ts';
import { contextTag, TAG } from './der/tag.ts';
import { X509Fault } from './fault.ts';
import type { Name } from './model.ts';
import { readName } from './name.ts';
import { verifySigned } from './signature.ts';

/** A certification request. Only its key is ever taken over; the rest is what the applicant would like. */
export interface Csr {
  readonly der: Uint8Array;
  readonly spki: Uint8Array;
  readonly publicKey: PublicKey;
  readonly subject: Name;
  /** The proof of possession, for callers that check signatures elsewhere. */
  readonly check: SignatureCheck;
}

/** Reads a PKCS #10 request (RFC 2986 §4). Attributes are not looked into. Not verified: see `verifyCsr`. */
export function parseCsr(der: Uint8Array): Csr {
  if (der.length > 65_536) throw new X509Fault('x509/too-large', 'The certification request is too large.');
  const outer = openDer(readDer(der, TAG.sequence));
  const info = outer.next(TAG.sequence);
  const { oid, algorithm } = readSignatureAlgorithm(outer.next(TAG.sequence));
  const signature = readBitStringBytes(outer.next(TAG.bitString));
  outer.end();

  const cursor = openDer(info);
  if (readSmallInteger(cursor.next(TAG.integer)) !== 0) throw malformed('The request has an unknown version.');
  const subject = readName(cursor.next(TAG.sequence));
  const spki = cursor.next(TAG.sequence).der;
  cursor.optional(contextTag(0, 'constructed'));
  cursor.end();

  const publicKey = readPublicKey(spki);
  if (!algorithm) throw new X509Fault('x509/unsupported', `Signature algorithm ${oid} is not accepted.`);
  const check: SignatureCheck = { algorithm, key: publicKey, data: info.der, signature, encoding: 'der' };
  return { der, spki, publicKey, subject, check };
}

/** Throws `x509/bad-signature` unless the request was signed with the private key of the public key in it. */
export function verifyCsr({ check }: Csr): void {
  const { data, algorithm, signature, key } = check;
  verifySigned({ tbs: data, signatureAlgorithmOid: algorithm, signatureAlgorithm: algorithm, signature }, key);
}
