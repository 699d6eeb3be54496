import { findExtension } from '../extension.ts';
import { findAssurance } from '../leaf-profile.ts';
import { OID } from '../oid.ts';
import type { LeafRule } from './rule.ts';

/** One plain-HTTP URL: Notation wants every one of them to answer, over HTTP. CI certificates have none and say so. */
export const leafCanBeRevoked: LeafRule = {
  name: 'leaf-can-be-revoked',
  source: 'RFC 5280 §4.2.1.13; RFC 9608 §2; CSBR §7.1.2.3 b',
  check: ({ distributionPoints, crlUrls, extensions, policies }, { policyArc }) => {
    const hasNoRevAvail = findExtension(extensions, OID.noRevAvail) !== undefined;
    if (policies.some((policy) => findAssurance(policy, policyArc) === 'ci')) {
      return hasNoRevAvail && distributionPoints.length === 0
        ? undefined
        : 'a CI certificate has noRevAvail and no CRL';
    }
    if (hasNoRevAvail) return 'only CI certificates have noRevAvail';
    const [point, ...others] = distributionPoints;
    const isPlain = point && others.length === 0 && !point.reasons && point.crlIssuers.length === 0;
    if (!isPlain || crlUrls.length !== 1) return 'it has not exactly one CRL distribution point';
    return crlUrls[0]?.startsWith('http://') ? undefined : 'its CRL is not under a plain http:// URL';
  },
};
