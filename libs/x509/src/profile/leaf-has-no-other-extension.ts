import { OID } from '../oid.ts';
import { isWorkloadOid } from '../workload.ts';
import type { LeafRule } from './rule.ts';

/** What is not in the profile is a mistake; and only what every client understands may be critical. */
export const leafHasNoOtherExtension: LeafRule = {
  name: 'leaf-has-no-other-extension',
  source: 'RFC 5280 §4.2; Margo certificate profile',
  check: ({ extensions }, { policyArc }) => {
    const isKnown = (oid: string) => CRITICAL.has(oid) || PLAIN.has(oid) || isWorkloadOid(oid, policyArc);
    const other = extensions.find(({ oid }) => !isKnown(oid));
    if (other) return `extension ${other.oid} is not in the profile`;
    const critical = extensions.find((extension) => extension.critical && !CRITICAL.has(extension.oid));
    return critical && `extension ${critical.oid} is critical`;
  },
};

const CRITICAL: ReadonlySet<string> = new Set([OID.basicConstraints, OID.keyUsage]);
const PLAIN: ReadonlySet<string> = new Set([
  OID.authorityInfoAccess,
  OID.authorityKeyIdentifier,
  OID.certificatePolicies,
  OID.crlDistributionPoints,
  OID.extendedKeyUsage,
  OID.noRevAvail,
  OID.sctList,
  OID.sigstoreIssuerV1,
  OID.sigstoreIssuerV2,
  OID.subjectAltName,
  OID.subjectKeyIdentifier,
]);
