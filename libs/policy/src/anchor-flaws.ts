import { Fault } from '@margo-trust/fault';
import { isClaimedApplication, isClaimedReference, type Claims } from '@margo-trust/statement';
import {
  areEqualNames,
  findExtension,
  findUnknownCritical,
  OID,
  STRENGTH,
  verifyKeyStrength,
  verifySignatureStrength,
  verifySigned,
  type Certificate,
} from '@margo-trust/x509';
import type { AnchorTerms } from './registered-anchor.ts';
import { findPatternFlaws, matchesSubject } from './subject-pattern.ts';

/** Of whom an anchor is to be. */
export interface AnchorHolder {
  readonly claims: Claims;
  /** The part of its certificates' subject that is its alone. */
  readonly subject: { readonly C: string; readonly ST: string; readonly O: string };
}

/**
 * Why a certificate must not become an anchor of this vendor with these terms: every reason, one sentence each; empty when there
 * is none. Reads its arguments alone, so that an auditor asks again. Which CAs are public and which keys were used elsewhere is
 * for the registry to know.
 */
export function findAnchorFlaws(
  certificate: Certificate,
  terms: AnchorTerms,
  holder: AnchorHolder,
  at: Date,
): string[] {
  return [
    ...shapeFlaws(certificate, terms),
    ...strengthFlaws(certificate, terms),
    ...timeFlaws(certificate, terms, at),
    ...claimFlaws(terms, holder.claims),
    ...subjectFlaws(certificate, terms, holder.subject),
  ];
}

/** RFC 5280 §4.2.1.2, §4.2.1.3, §4.2.1.9, §4.2.1.12, and limits that no standard asks for and all anchors need. */
function shapeFlaws(certificate: Certificate, { purpose }: AnchorTerms): string[] {
  const { version, subject, isCa, pathLen, keyUsage, extendedKeyUsage, ski, extensions } = certificate;
  const flaws: string[] = [];
  if (version !== 3) flaws.push('The certificate is not of version 3.');
  if (subject.rdns.length === 0) flaws.push('The certificate has no subject.');
  if (!ski) flaws.push('The certificate has no subject key identifier.');
  const unknown = findUnknownCritical(certificate);
  if (unknown !== undefined) flaws.push(`Its critical extension ${unknown} is understood by nobody here.`);
  if (isCa) {
    if (findExtension(extensions, OID.basicConstraints)?.critical !== true)
      flaws.push('The basic constraints are not critical.');
    if (!keyUsage.has('keyCertSign')) flaws.push('The key usage does not say that the key signs certificates.');
    if (pathLen === undefined && purpose !== 'device-idevid')
      flaws.push('The CA does not limit the length of paths: any number of CAs could follow.');
  } else {
    if (purpose === 'device-idevid') flaws.push('The certificate is not that of a CA.');
    if (!keyUsage.has('digitalSignature')) flaws.push('The key usage does not say that the key signs.');
  }
  const wanted = PURPOSES[purpose];
  if (wanted === undefined) {
    const other = extendedKeyUsage?.find((oid) => oid !== OID.clientAuth);
    if (other !== undefined) flaws.push(`A CA of devices is not one for other purposes, as ${other}.`);
  } else if (extendedKeyUsage === undefined) {
    flaws.push('The extended key usage is missing: the CA could vouch for anything.');
  } else if (extendedKeyUsage.length !== 1 || extendedKeyUsage[0] !== wanted) {
    flaws.push(`The extended key usage is not ${wanted} alone.`);
  }
  return flaws;
}

/** The only extended key usage; devices' CAs have none, or that of TLS clients. */
const PURPOSES = {
  'artifact-signing': OID.codeSigning,
  timestamping: OID.timeStamping,
  'device-idevid': undefined,
} as const;

function strengthFlaws(certificate: Certificate, { purpose }: AnchorTerms): string[] {
  const rules = STRENGTH[purpose];
  const isSelfIssued = areEqualNames(certificate.subject, certificate.issuer);
  return [
    ...messageOf(() => verifyKeyStrength(certificate, rules)),
    ...messageOf(() => verifySignatureStrength(certificate, rules)),
    ...(isSelfIssued ? messageOf(() => verifySigned(certificate, certificate.publicKey)) : []),
  ];
}

function timeFlaws({ notBefore, notAfter }: Certificate, { validFrom, validUntil }: AnchorTerms, at: Date): string[] {
  return [
    ...(notBefore <= at && at <= notAfter ? [] : ['The certificate is not valid now.']),
    ...(validFrom < validUntil ? [] : ['The window ends before it begins.']),
    ...(notBefore <= validFrom && validUntil <= notAfter ? [] : ['The window reaches beyond that of the certificate.']),
  ];
}

function claimFlaws({ purpose, claims }: AnchorTerms, granted: Claims): string[] {
  const { applicationIdPrefixes, ociNamespaces } = claims;
  const isEmpty = applicationIdPrefixes.length + ociNamespaces.length === 0;
  if (purpose !== 'artifact-signing') return isEmpty ? [] : ['Claims are for signing artifacts only.'];
  return [
    ...(isEmpty ? ['There are no claims: say which of the vendor’s the anchor is for.'] : []),
    ...[
      ...applicationIdPrefixes.filter((prefix) => !isClaimedApplication(prefix, granted)),
      ...ociNamespaces.filter((namespace) => !isClaimedReference(namespace, granted)),
    ].map((claim) => `The vendor does not have the claim "${claim}".`),
  ];
}

function subjectFlaws(
  certificate: Certificate,
  { purpose, subject }: AnchorTerms,
  own: AnchorHolder['subject'],
): string[] {
  const flaws = findPatternFlaws(subject);
  if (purpose === 'artifact-signing') {
    // Notation tells signers apart by these three, and looks at nothing else.
    for (const name of ['C', 'ST', 'O'] as const) {
      if (subject[name] !== own[name])
        flaws.push(`The subject pattern must have ${name}=${own[name]}, as the vendor was admitted.`);
    }
  } else if (subject.O === undefined) flaws.push('The subject pattern must name the organisation (O).');
  if (!certificate.isCa && !matchesSubject(subject, certificate))
    flaws.push('The certificate itself does not match the subject pattern.');
  return flaws;
}

function messageOf(verify: () => void): string[] {
  try {
    verify();
    return [];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return [error.message];
  }
}
