import { areEqualBytes } from '@margo-trust/bytes';
import type { PublicKey } from '@margo-trust/crypto';
import { checkSignatureOnPool } from '@margo-trust/crypto/async';
import { parseCsr, parsePem, verifyCsr } from '@margo-trust/x509';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
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
  if (!areEqualBytes(csr.spki, secondReading(der))) throw ambiguous();
  await checkSignatureOnPool(csr.check).catch(() => verifyCsr(csr)); // which says what is wrong
  const weakness = findKeyWeakness(csr.publicKey);
  if (weakness !== undefined) throw new CertificateFault('certificate/key-refused', weakness);
  return csr.publicKey;
}

function secondReading(der: Uint8Array): Uint8Array {
  try {
    return new Uint8Array(new Pkcs10CertificateRequest(Uint8Array.from(der)).publicKey.rawData);
  } catch (cause) {
    throw ambiguous({ cause });
  }
}

function ambiguous(options?: ErrorOptions): CertificateFault {
  return new CertificateFault(
    'certificate/ambiguous-request',
    'The request can be read in more than one way.',
    options,
  );
}
