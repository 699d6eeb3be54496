import { areEqualBytes } from '@margo-trust/bytes';
import type { PublicKey } from '@margo-trust/crypto';
import { checkSignatureOnPool } from '@margo-trust/crypto/async';
import { parseCsr, parsePem, verifyCsr } from '@margo-trust/x509';
import { CertificateFault } from './certificate.fault.ts';
import { findKeyWeakness } from './key-rules.ts';

/**
 * The key of a PKCS #10 request (RFC 2986) in PEM, whose owner has proven to hold its private half and which is fit to be
 * certified. Subject, attributes and extensions of the request are ignored: who the vendor is stands in our own records.
 *
 * Two readers that share no code must find the same key, so that no trick of encoding gets another key certified than the one
 * that the proof was made with. The proof is checked on the thread pool.
 */
export async function readRequest(pem: string): Promise<PublicKey> {
  const [der = new Uint8Array()] = parsePem('CERTIFICATE REQUEST', pem.replaceAll('NEW CERTIFICATE', 'CERTIFICATE'));
  const csr = parseCsr(der);
  if (!areEqualBytes(csr.spki, spkiByPosition(der))) throw ambiguous();
  await checkSignatureOnPool(csr.check).catch(() => verifyCsr(csr)); // which says what is wrong
  const weakness = findKeyWeakness(csr.publicKey);
  if (weakness !== undefined) throw new CertificateFault('certificate/key-refused', weakness);
  return csr.publicKey;
}

/**
 * The second reading: the SubjectPublicKeyInfo by its place in the request, third in what is signed, which is first of all (RFC 2986
 * §4). It knows lengths (X.690 §8.1.3) and no types, as any reader of DER or BER must. Empty where there is none.
 */
export function spkiByPosition(der: Uint8Array): Uint8Array {
  const request = valueAt(der, 0);
  const info = valueAt(der, request.begin);
  const version = valueAt(der, info.begin);
  const subject = valueAt(der, version.end);
  const isInside = request.end <= der.length && info.end <= request.end && subject.end < info.end;
  return isInside ? der.slice(subject.end, Math.min(valueAt(der, subject.end).end, info.end)) : new Uint8Array();
}

/** Where the value of the element that begins at `at` begins and ends; beyond the end where there is none. */
function valueAt(der: Uint8Array, at: number): { begin: number; end: number } {
  const first = der[at + 1] ?? 0;
  if (first < 0x80) return { begin: at + 2, end: at + 2 + first };
  const begin = at + 2 + (first & 0x7f);
  const length = der.subarray(at + 2, begin).reduce((sum, octet) => sum * 256 + octet, 0);
  return { begin, end: begin + length };
}

function ambiguous(): CertificateFault {
  return new CertificateFault('certificate/ambiguous-request', 'The request can be read in more than one way.');
}
