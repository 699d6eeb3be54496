import { findExtension } from '../extension.ts';
import { OID } from '../oid.ts';
import type { CaRule } from './rule.ts';

export const caKeyOnlyCertifies: CaRule = {
  name: 'ca-key-only-certifies',
  source: 'RFC 5280 §4.2.1.3; CSBR §7.1.2.2 e',
  check: ({ keyUsage, extensions }) => {
    if (!findExtension(extensions, OID.keyUsage)?.critical) return 'the key usage is not critical';
    return [...keyUsage].join() === 'keyCertSign,cRLSign' ? undefined : 'the key usage is not keyCertSign and cRLSign';
  },
};
