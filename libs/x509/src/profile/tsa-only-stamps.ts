import { findExtension } from '../extension.ts';
import { OID } from '../oid.ts';
import type { CertificateRule } from './rule.ts';

export const tsaOnlyStamps: CertificateRule = {
  name: 'tsa-only-stamps',
  source: 'RFC 3161 §2.3',
  check: ({ extendedKeyUsage, extensions }) => {
    if (extendedKeyUsage?.join() !== OID.timeStamping) return 'the purpose is not time stamping alone';
    return findExtension(extensions, OID.extendedKeyUsage)?.critical ? undefined : 'the purpose is not critical';
  },
};
