import type { CertificateRule } from './rule.ts';

/** A certificate that outlives its CA stops verifying on a day that is not written in it. */
export const datesLieWithinIssuer: CertificateRule = {
  name: 'dates-lie-within-issuer',
  source: 'RFC 5280 §6.1.3 (a)(2)',
  check: ({ notBefore, notAfter }, { issuer }) =>
    notBefore >= issuer.notBefore && notAfter <= issuer.notAfter ? undefined : 'it is valid when its CA is not',
};
