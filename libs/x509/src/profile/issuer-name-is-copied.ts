import { areEqualBytes } from '@margo-trust/bytes';
import type { CertificateRule } from './rule.ts';

/** Byte for byte: verifiers that compare encodings would find no path otherwise. */
export const issuerNameIsCopied: CertificateRule = {
  name: 'issuer-name-is-copied',
  source: 'RFC 5280 §4.1.2.4',
  check: (certificate, { issuer }) =>
    areEqualBytes(certificate.issuer.der, issuer.subject.der)
      ? undefined
      : "the issuer is not the CA's subject as encoded",
};
