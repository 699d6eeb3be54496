import type { CertificateRule } from './rule.ts';

/** Revoking the certificate of a time-stamping authority would make Notation refuse every stamp it ever made. */
export const tsaNeedsNoNetwork: CertificateRule = {
  name: 'tsa-needs-no-network',
  source: 'Margo certificate profile; notation revocation check of time stamps',
  check: ({ distributionPoints, caIssuersUrls, ocspUrls }) =>
    distributionPoints.length + caIssuersUrls.length + ocspUrls.length === 0
      ? undefined
      : 'it names places to fetch from',
};
