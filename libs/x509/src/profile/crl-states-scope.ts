import { findExtension } from '../extension.ts';
import { OID } from '../oid.ts';
import type { CrlRule } from './rule.ts';

/** The critical distribution point is what keeps one shard from being passed off as another. */
export const crlStatesScope: CrlRule = {
  name: 'crl-states-scope',
  source: 'RFC 5280 §5.2.5; Mozilla pkipolicy #256',
  check: ({ extensions, issuingDistributionPoint: idp, distributionPoint }, { url, holds }) => {
    if (!idp || !findExtension(extensions, OID.issuingDistributionPoint)?.critical) return 'it has no critical scope';
    if (idp.names.length !== 1 || distributionPoint !== url) return 'its scope is not the URL it is published under';
    const isFit = idp.onlyUserCerts === (holds === 'leaves') && idp.onlyCaCerts === (holds === 'cas');
    return isFit && !idp.onlySomeReasons ? undefined : `its scope is not that of a CRL of ${holds}`;
  },
};
