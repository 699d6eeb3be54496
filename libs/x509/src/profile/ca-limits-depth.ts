import { findExtension } from '../extension.ts';
import { OID } from '../oid.ts';
import type { CaRule } from './rule.ts';

/** No CA below an issuing one; no limit at the root, where Notation counts differently and refuses. */
export const caLimitsDepth: CaRule = {
  name: 'ca-limits-depth',
  source: 'RFC 5280 §4.2.1.9; CSBR §7.1.2.1, §7.1.2.2',
  check: ({ isCa, pathLen, extensions }, { purpose }) => {
    if (!isCa || !findExtension(extensions, OID.basicConstraints)?.critical) return 'it does not say, critically, CA';
    const expected = purpose === 'root' ? undefined : 0;
    return pathLen === expected ? undefined : `the path length is ${pathLen ?? 'missing'}`;
  },
};
