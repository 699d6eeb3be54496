import { areEqualBytes } from '@margo-trust/bytes';
import type { CertificateRule } from './rule.ts';

/** Subject and authority key identifier; a root needs only its own. */
export const keyIdentifiersLink: CertificateRule = {
  name: 'key-identifiers-link',
  source: 'RFC 5280 §4.2.1.1, §4.2.1.2',
  check: (certificate, { issuer }) => {
    if (!certificate.ski) return 'it has no subject key identifier';
    if (certificate === issuer && !certificate.aki) return undefined;
    const links = certificate.aki && issuer.ski && areEqualBytes(certificate.aki, issuer.ski);
    return links ? undefined : "the authority key identifier is not the CA's";
  },
};
