import { areEqualBytes } from '@margo-trust/bytes';
import { issuingDistributionPoint } from '../encode-extension.ts';
import { findExtension } from '../extension.ts';
import { OID } from '../oid.ts';
import type { CrlRule } from './rule.ts';

/** The critical distribution point is what keeps one shard from being passed off as another. */
export const crlStatesScope: CrlRule = {
  name: 'crl-states-scope',
  source: 'RFC 5280 §5.2.5; Mozilla pkipolicy #256',
  check: ({ extensions }, { scope }) => {
    const found = findExtension(extensions, OID.issuingDistributionPoint);
    const expected = issuingDistributionPoint(scope.holds === 'leaves' ? scope.url : undefined);
    if (!found?.critical) return 'it does not state its scope critically';
    return areEqualBytes(found.value, expected.value) ? undefined : `its scope is not that of a CRL of ${scope.holds}`;
  },
};
