import { issuerCanBeFetched } from './issuer-can-be-fetched.ts';
import type { CaRule } from './rule.ts';

/** An issuing CA can be revoked by its root; at the root and for time stamps there is nothing to fetch. */
export const caPublishesFitly: CaRule = {
  name: 'ca-publishes-fitly',
  source: 'RFC 5280 §4.2.1.13, §4.2.2.1; CSBR §7.1.2.2 b, c',
  check: (certificate, context) => {
    const { crlUrls, distributionPoints, caIssuersUrls, ocspUrls } = certificate;
    if (context.purpose !== 'issuing') {
      const count = distributionPoints.length + caIssuersUrls.length + ocspUrls.length;
      return count === 0 ? undefined : 'it names places to fetch from';
    }
    const hasOneCrl = distributionPoints.length === 1 && crlUrls.length === 1 && crlUrls[0]?.startsWith('http://');
    if (!hasOneCrl) return 'it has not exactly one CRL under a plain http:// URL';
    return issuerCanBeFetched.check(certificate, context);
  },
};
