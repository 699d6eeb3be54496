import { areEqualBytes } from '@margo-trust/bytes';
import { X509Fault } from '../fault.ts';
import { OID } from '../oid.ts';
import { encodeSubject } from '../subject.ts';
import type { CaRule } from './rule.ts';

/** C, O and CN, with or without ST between, encoded as we encode them. */
export const caSubjectIsPlain: CaRule = {
  name: 'ca-subject-is-plain',
  source: 'RFC 5280 §4.1.2.6; CSBR §7.1.4.3',
  check: ({ subject }) => {
    const value = (oid: string) => subject.rdns.flat().find((attribute) => attribute.oid === oid)?.value;
    const state = value(OID.state);
    try {
      const again = encodeSubject({
        country: value(OID.country) ?? '',
        organization: value(OID.organization) ?? '',
        commonName: value(OID.commonName) ?? '',
        ...(state === undefined ? {} : { state }),
      });
      return areEqualBytes(again, subject.der) ? undefined : 'the subject is not C, (ST,) O, CN';
    } catch (error) {
      if (error instanceof X509Fault) return error.message;
      throw error;
    }
  },
};
