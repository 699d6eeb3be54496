import { findExtension } from '../extension.ts';
import { OID } from '../oid.ts';
import type { CertificateRule } from './rule.ts';

/** Holds for vendors and for the time-stamping authority alike. */
export const leafKeyOnlySigns: CertificateRule = {
  name: 'leaf-key-only-signs',
  source: 'RFC 5280 §4.2.1.3; CSBR §7.1.2.3 e',
  check: ({ keyUsage, extensions }) => {
    if (!findExtension(extensions, OID.keyUsage)?.critical) return 'the key usage is not critical';
    return [...keyUsage].join() === 'digitalSignature' ? undefined : 'the key usage is not digitalSignature alone';
  },
};
