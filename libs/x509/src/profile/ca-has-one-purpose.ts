import { OID } from '../oid.ts';
import type { CaRule } from './rule.ts';

/** Code signing and time stamping never share a CA; a root has no purposes of its own. */
export const caHasOnePurpose: CaRule = {
  name: 'ca-has-one-purpose',
  source: 'RFC 5280 §4.2.1.12; CSBR §7.1.2.2 f',
  check: ({ extendedKeyUsage }, { purpose }) => {
    const expected = { root: undefined, issuing: OID.codeSigning, tsa: OID.timeStamping }[purpose];
    return extendedKeyUsage?.join() === expected ? undefined : `the purpose does not fit a CA for ${purpose}`;
  },
};
