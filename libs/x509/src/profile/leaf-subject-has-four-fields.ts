import { areEqualBytes } from '@margo-trust/bytes';
import { X509Fault } from '../fault.ts';
import { OID } from '../oid.ts';
import { encodeSubject } from '../subject.ts';
import type { LeafRule } from './rule.ts';

/** C, ST, O and CN, in this order and encoded as we encode them. Notation needs the first three and chokes on others. */
export const leafSubjectHasFourFields: LeafRule = {
  name: 'leaf-subject-has-four-fields',
  source: 'CSBR §7.1.4.2.2; Notary trust policy, trusted identities',
  check: ({ subject }) => {
    const [c, st, o, cn] = subject.rdns.flat();
    const oids = subject.rdns.map((rdn) => rdn.map(({ oid }) => oid).join('+')).join();
    if (!c || !st || !o || !cn || oids !== FIELDS) return 'the subject is not C, ST, O, CN';
    try {
      const again = encodeSubject({ country: c.value, state: st.value, organization: o.value, commonName: cn.value });
      return areEqualBytes(again, subject.der) ? undefined : 'the subject uses other string types';
    } catch (error) {
      if (error instanceof X509Fault) return error.message;
      throw error;
    }
  },
};

const FIELDS = [OID.country, OID.state, OID.organization, OID.commonName].join();
