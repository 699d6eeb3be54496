import type { CertificateRule } from './rule.ts';

/** One URL of the issuer, and no OCSP: Notation would ask there first, and stall where there is no network. */
export const issuerCanBeFetched: CertificateRule = {
  name: 'issuer-can-be-fetched',
  source: 'RFC 5280 §4.2.2.1; CSBR §7.1.2.3 c',
  check: ({ caIssuersUrls, ocspUrls }) => {
    if (ocspUrls.length > 0) return 'it names an OCSP responder';
    const isOne = caIssuersUrls.length === 1 && caIssuersUrls[0]?.startsWith('http://');
    return isOne ? undefined : 'it has not exactly one plain http:// URL of its issuer';
  },
};
