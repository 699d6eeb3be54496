import { certificateSignatureAlgorithm } from '../algorithm.ts';
import { X509Fault } from '../fault.ts';
import { verifySigned } from '../signature.ts';
import type { CertificateRule } from './rule.ts';

/** The algorithm is the one for the CA's key, and the signature verifies: what is handed out works. */
export const signatureFitsIssuerKey: CertificateRule = {
  name: 'signature-fits-issuer-key',
  source: 'RFC 5280 §4.1.1.2',
  check: (certificate, { issuer, isRehearsal }) => {
    const expected = certificateSignatureAlgorithm(issuer.publicKey);
    if (certificate.signatureAlgorithm !== expected) return `it is not signed with ${expected}`;
    if (isRehearsal) return undefined;
    try {
      verifySigned(certificate, issuer.publicKey);
      return undefined;
    } catch (error) {
      if (error instanceof X509Fault) return error.message;
      throw error;
    }
  },
};
