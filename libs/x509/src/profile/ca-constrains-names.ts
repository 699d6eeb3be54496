import { areEqualBytes } from '@margo-trust/bytes';
import { onlyUriNames } from '../encode-extension.ts';
import { findExtension } from '../extension.ts';
import { OID } from '../oid.ts';
import type { CaRule } from './rule.ts';

/** The issuing CA has exactly the critical constraints of the profile; the others have none. */
export const caConstrainsNames: CaRule = {
  name: 'ca-constrains-names',
  source: 'RFC 5280 §4.2.1.10; Margo certificate profile',
  check: ({ extensions }, { purpose }) => {
    const found = findExtension(extensions, OID.nameConstraints);
    if (purpose !== 'issuing') return found && 'it has name constraints';
    return found?.critical && areEqualBytes(found.value, onlyUriNames().value)
      ? undefined
      : 'the name constraints are not those of the profile, or not critical';
  },
};
