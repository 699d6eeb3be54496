import { findExtension } from '../extension.ts';
import { OID } from '../oid.ts';
import type { CertificateRule } from './rule.ts';

export const leafIsNoCa: CertificateRule = {
  name: 'leaf-is-no-ca',
  source: 'RFC 5280 §4.2.1.9; CSBR §7.1.2.3 d',
  check: ({ isCa, extensions }) => {
    if (isCa) return 'it is the certificate of a CA';
    return findExtension(extensions, OID.basicConstraints)?.critical ? undefined : 'it does not say, critically, no CA';
  },
};
