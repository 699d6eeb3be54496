import { X509Fault } from '../fault.ts';
import { readAssurance } from '../leaf-profile.ts';
import { isWorkloadOid, readWorkload } from '../workload.ts';
import type { LeafRule } from './rule.ts';

/** The build is named in the certificates that were given to one, whole, and in no other. */
export const leafNamesWorkload: LeafRule = {
  name: 'leaf-names-workload',
  source: 'Fulcio OID information, 1.3.6.1.4.1.57264.1.9 to .24; Margo certificate profile',
  check: (certificate, { policyArc }) => {
    const isNamed = certificate.extensions.some(({ oid }) => isWorkloadOid(oid, policyArc));
    if (readAssurance(certificate, policyArc) !== 'ci') {
      return isNamed ? 'only CI certificates name a build' : undefined;
    }
    try {
      return readWorkload(certificate, policyArc)
        ? undefined
        : 'a CI certificate names issuer and subject of the build';
    } catch (error) {
      if (error instanceof X509Fault) return error.message;
      throw error;
    }
  },
};
