import type { Budget } from './budget.ts';
import { X509Fault } from './fault.ts';
import type { Certificate, NameConstraints } from './model.ts';
import { verifyNameConstraints } from './name-constraints.ts';
import { areEqualNames } from './name.ts';
import { OID } from './oid.ts';
import { PolicyGraph, type PolicyRequest } from './policies.ts';
import { verifyKeyStrength, verifySignatureStrength, type StrengthRules } from './strength.ts';

export interface PathRules {
  readonly at: Date;
  readonly eku?: string;
  readonly policies?: PolicyRequest;
  readonly strength: StrengthRules;
}

/**
 * Throws unless the path is valid (RFC 5280 §6.1, signatures and revocation aside); returns the policies that hold for it.
 *
 * `path` runs from leaf to anchor. The anchor's own limits (dates, path length, name and policy constraints, purposes)
 * hold as RFC 5937 allows: whoever made an anchor with limits meant them. A path of one is a leaf that is the anchor.
 */
export function validatePath(path: readonly Certificate[], rules: PathRules, budget: Budget): string[] {
  const constraints: NameConstraints[] = [];
  const policies = new PolicyGraph(path.length - 1, rules.policies ?? {}, budget);
  let intermediatesLeft = Infinity;
  for (let i = path.length - 1; i > 0; i--) {
    const ca = path[i] as Certificate;
    const isAnchor = i === path.length - 1;
    const isSelfIssued = areEqualNames(ca.issuer, ca.subject);

    verifyAnywhere(ca, rules);
    if (!isAnchor) {
      verifySignatureStrength(ca, rules.strength);
      if (!isSelfIssued) verifyNameConstraints(ca, constraints, budget);
      policies.enter(ca, isSelfIssued);
      policies.descend(ca, isSelfIssued);
    } else policies.constrain(ca);

    verifyCa(ca, rules.eku);
    if (!isAnchor && !isSelfIssued && intermediatesLeft-- <= 0) {
      throw new X509Fault('x509/path-length', 'There are more CAs in the path than one above allows.');
    }
    intermediatesLeft = Math.min(intermediatesLeft, ca.pathLen ?? Infinity);
    if (ca.nameConstraints) constraints.push(ca.nameConstraints);
  }

  const leaf = path[0] as Certificate;
  verifyAnywhere(leaf, rules);
  if (path.length > 1) {
    verifySignatureStrength(leaf, rules.strength);
    verifyNameConstraints(leaf, constraints, budget);
    policies.enter(leaf, false);
  }
  if (rules.eku !== undefined) verifyLeafPurpose(leaf, rules.eku);
  return policies.conclude(leaf);
}

/** What holds for a certificate wherever it stands. */
function verifyAnywhere(certificate: Certificate, { at, strength }: PathRules): void {
  verifyKeyStrength(certificate, strength);
  verifyValidity(certificate, at);
  refuseUnknownCritical(certificate);
}

function verifyValidity({ notBefore, notAfter, subjectText }: Certificate, at: Date): void {
  // In the negative, so that an invalid Date lies within nothing.
  if (!(notBefore <= at)) throw new X509Fault('x509/not-yet-valid', `Not yet valid at that time: ${subjectText}`);
  if (!(at <= notAfter)) throw new X509Fault('x509/expired', `No longer valid at that time: ${subjectText}`);
}

function refuseUnknownCritical(certificate: Certificate): void {
  const unknown = findUnknownCritical(certificate);
  if (unknown === undefined) return;
  throw new X509Fault(
    'x509/unknown-critical-extension',
    `Critical extension ${unknown} is not understood: ${certificate.subjectText}`,
  );
}

/** The object identifier of a critical extension that no path may contain, since nothing here acts on it (RFC 5280 §4.2). */
export function findUnknownCritical({ extensions }: Certificate): string | undefined {
  return extensions.find(({ critical, oid }) => critical && !UNDERSTOOD.has(oid))?.oid;
}

/** The extensions that are acted on here or in `findRevocation`, and those that ask for no action. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.authorityKeyIdentifier,
  OID.basicConstraints,
  OID.certificatePolicies,
  OID.crlDistributionPoints,
  OID.extendedKeyUsage,
  OID.inhibitAnyPolicy,
  OID.keyUsage,
  OID.nameConstraints,
  OID.policyConstraints,
  OID.policyMappings,
  OID.subjectAltName,
  OID.subjectKeyIdentifier,
]);

function verifyCa({ version, isCa, keyUsage, extendedKeyUsage, subjectText }: Certificate, eku?: string): void {
  if (version !== 3 || !isCa) throw new X509Fault('x509/not-a-ca', `Not the certificate of a CA: ${subjectText}`);
  if (keyUsage.size > 0 && !keyUsage.has('keyCertSign')) {
    throw new X509Fault('x509/key-usage', `May not sign certificates: ${subjectText}`);
  }
  // Purposes of a CA limit those below it: not RFC 5280 but what every verifier does, and our CAs rely on.
  if (eku === undefined || !extendedKeyUsage) return;
  if (!extendedKeyUsage.includes(eku) && !extendedKeyUsage.includes(OID.anyExtendedKeyUsage)) {
    throw new X509Fault('x509/extended-key-usage', `The CA is not meant for purpose ${eku}: ${subjectText}`);
  }
}

/** The leaf must name the purpose: "any" and no statement at all are not enough. */
function verifyLeafPurpose({ keyUsage, extendedKeyUsage, subjectText }: Certificate, eku: string): void {
  if (!extendedKeyUsage?.includes(eku)) {
    throw new X509Fault('x509/extended-key-usage', `Not meant for purpose ${eku}: ${subjectText}`);
  }
  if (keyUsage.size > 0 && !keyUsage.has('digitalSignature') && !keyUsage.has('nonRepudiation')) {
    throw new X509Fault('x509/key-usage', `May not sign: ${subjectText}`);
  }
}
