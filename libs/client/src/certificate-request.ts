import { assembleSigned, contextTag, derInteger, derPrimitive, derSequence, encodePem } from '@margo-trust/x509';
import type { StatementSigner } from './private-key.ts';

/**
 * A PKCS #10 request (RFC 2986 §4) in PEM that proves possession of the key. It names nobody: the registry takes the
 * subject from its own records of the vendor.
 */
export async function encodeCertificateRequest(signer: StatementSigner): Promise<string> {
  const noName = derSequence();
  const noAttributes = derPrimitive(contextTag(0, 'constructed'), new Uint8Array());
  const info = derSequence(derInteger(0), noName, signer.spki, noAttributes);
  return encodePem('CERTIFICATE REQUEST', assembleSigned(info, signer.algorithm, await signer.sign(info)));
}
