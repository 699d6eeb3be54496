import { X509Fault } from './fault.ts';
import type { Certificate, NameConstraints } from './model.ts';
import { verifyNameConstraints } from './name-constraints.ts';
import { areEqualNames } from './name.ts';
import { OID } from './oid.ts';

/**
 * Throws unless the path is valid at the time `at` (RFC 5280 §6.1, signatures and revocation aside).
 *
 * `path` runs from leaf to anchor. The anchor's own limits (dates, path length, name constraints, purposes) hold as
 * RFC 5937 allows: whoever made an anchor with limits meant them.
 */
export function validatePath(path: readonly Certificate[], at: Date, eku: string | undefined): void {
  const constraints: NameConstraints[] = [];
  let intermediatesLeft = Infinity;
  for (let i = path.length - 1; i >= 0; i--) {
    const certificate = path[i] as Certificate;
    const [isAnchor, isLeaf] = [i === path.length - 1, i === 0];
    const isSelfIssued = areEqualNames(certificate.issuer, certificate.subject);

    verifyValidity(certificate, at);
    refuseUnknownCritical(certificate);
    if (!isSelfIssued || isLeaf) verifyNameConstraints(certificate, constraints);
    if (isLeaf) {
      if (eku !== undefined) verifyLeafPurpose(certificate, eku);
      return;
    }

    verifyCa(certificate, eku);
    if (!isAnchor && !isSelfIssued && intermediatesLeft-- <= 0) {
      throw new X509Fault('x509/path-length', 'There are more CAs in the path than one above allows.');
    }
    intermediatesLeft = Math.min(intermediatesLeft, certificate.pathLen ?? Infinity);
    if (certificate.nameConstraints) constraints.push(certificate.nameConstraints);
  }
}

function verifyValidity({ notBefore, notAfter, subjectText }: Certificate, at: Date): void {
  if (at < notBefore) throw new X509Fault('x509/not-yet-valid', `Not yet valid at that time: ${subjectText}`);
  if (at > notAfter) throw new X509Fault('x509/expired', `No longer valid at that time: ${subjectText}`);
}

function refuseUnknownCritical({ extensions, subjectText }: Certificate): void {
  const unknown = extensions.find(({ critical, oid }) => critical && !UNDERSTOOD.has(oid));
  if (!unknown) return;
  throw new X509Fault(
    'x509/unknown-critical-extension',
    `Critical extension ${unknown.oid} is not understood: ${subjectText}`,
  );
}

/**
 * The extensions that are acted on here or in `findRevocation`, and those that ask for no action. Policy constraints and
 * mappings are missing on purpose: a path that depends on them is refused, as policies are not evaluated.
 */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.authorityKeyIdentifier,
  OID.basicConstraints,
  OID.certificatePolicies,
  OID.crlDistributionPoints,
  OID.extendedKeyUsage,
  OID.keyUsage,
  OID.nameConstraints,
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
