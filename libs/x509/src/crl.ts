import { areEqualBytes } from '@margo-trust/bytes';
import { readSignatureAlgorithm } from './algorithm.ts';
import { readSerial } from './certificate.ts';
import {
  DerCursor,
  malformed,
  openDer,
  readBitStringBytes,
  readDefaultFalse,
  readDer,
  readNamedBits,
  readSmallInteger,
  readUnsigned,
  type DerNode,
} from './der/read.ts';
import { contextTag, TAG } from './der/tag.ts';
import { readTime } from './der/time.ts';
import { findExtension, readExtensions } from './extension.ts';
import { readAuthorityKeyIdentifier, readDistributionPointName } from './extension-values.ts';
import { X509Fault, type CrlReason } from './fault.ts';
import { urisOf } from './general-name.ts';
import type { Certificate, Crl, CrlEntry, Extension, IssuingDistributionPoint } from './model.ts';
import { areEqualNames, readName } from './name.ts';
import { OID } from './oid.ts';
import { verifySigned } from './signature.ts';

/**
 * Reads a CRL (RFC 5280 §5.1). At most `maxBytes` (16 MiB if not given; an entry takes 49 bytes as a rule).
 *
 * Nothing is verified, and nothing refused for what it means: that is `verifyCrl`. A serial listed twice is malformed.
 */
export function parseCrl(der: Uint8Array, limits: { maxBytes?: number } = {}): Crl {
  if (der.length > (limits.maxBytes ?? 16_777_216)) throw new X509Fault('x509/too-large', 'The CRL is too large.');
  const outer = openDer(readDer(der, TAG.sequence));
  const tbs = outer.next(TAG.sequence);
  const algorithmNode = outer.next(TAG.sequence);
  const signature = readBitStringBytes(outer.next(TAG.bitString));
  outer.end();

  const cursor = openDer(tbs);
  const version = cursor.optional(TAG.integer);
  if (version && readSmallInteger(version) !== 1) throw malformed('The CRL has an unknown version.');
  if (!areEqualBytes(cursor.next(TAG.sequence).der, algorithmNode.der)) {
    throw malformed('The signature algorithm differs inside and outside the signed part.');
  }
  const issuer = readName(cursor.next(TAG.sequence));
  const thisUpdate = readTime(cursor.nextAny());
  const nextUpdate = isTime(cursor.peek()) ? readTime(cursor.nextAny()) : undefined;
  const list = readEntries(cursor.optional(TAG.sequence));
  const wrapped = version ? cursor.optional(contextTag(0, 'constructed')) : undefined;
  cursor.end();

  const { oid, algorithm } = readSignatureAlgorithm(algorithmNode);
  return {
    der,
    tbs: tbs.der,
    issuer,
    thisUpdate,
    ...(nextUpdate ? { nextUpdate } : {}),
    ...list,
    ...readKnownExtensions(wrapped ? readExtensions(readDer(wrapped.content, TAG.sequence)) : []),
    signatureAlgorithmOid: oid,
    ...(algorithm ? { signatureAlgorithm: algorithm } : {}),
    signature,
  };
}

/**
 * Checks that the CA of certificate `issuer` issued the CRL and that nothing in it forbids its use: the names, the
 * `cRLSign` usage, the signature, and no critical extension that is not understood (RFC 5280 §6.3.3 f, g). Delta and
 * indirect CRLs are refused (`x509/crl-not-usable`): we publish none.
 *
 * Whether `issuer` itself is to be trusted, whether the CRL covers a certificate and how old it is, is left to the caller.
 */
export function verifyCrl(crl: Crl, issuer: Certificate): void {
  if (isDelta(crl)) throw notUsable('Delta CRLs are not used.');
  verifyCrlOrDelta(crl, issuer);
}

/** A delta CRL lists only what changed since another CRL (RFC 5280 §5.2.4). */
export function isDelta({ extensions }: Crl): boolean {
  return findExtension(extensions, OID.deltaCrlIndicator) !== undefined;
}

export function verifyCrlOrDelta(crl: Crl, issuer: Certificate): void {
  if (!areEqualNames(crl.issuer, issuer.subject)) throw notUsable('The CRL is from another issuer.');
  const unknown = crl.extensions.find(({ critical, oid }) => critical && !UNDERSTOOD.has(oid));
  if (unknown) throw notUsable(`The CRL has a critical extension that is not understood: ${unknown.oid}.`);
  if (crl.hasUnknownCriticalEntry) throw notUsable('An entry has a critical extension that is not understood.');
  if (crl.issuingDistributionPoint?.isIndirect) throw notUsable('Indirect CRLs are not used.');
  if (issuer.keyUsage.size > 0 && !issuer.keyUsage.has('cRLSign')) {
    throw new X509Fault('x509/key-usage', 'The key of the issuer may not sign CRLs.');
  }
  verifySigned(crl, issuer.publicKey);
}

const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.authorityKeyIdentifier,
  OID.crlNumber,
  OID.deltaCrlIndicator,
  OID.issuerAltName,
  OID.issuingDistributionPoint,
]);

function readEntries(node: DerNode | undefined): Pick<Crl, 'entries' | 'hasUnknownCriticalEntry'> {
  const entries = new Map<string, CrlEntry>();
  let hasUnknownCriticalEntry = false;
  const cursor = new DerCursor(node?.content ?? new Uint8Array());
  while (!cursor.isAtEnd()) {
    const entry = openDer(cursor.next(TAG.sequence));
    const serialHex = readSerial(entry.next(TAG.integer));
    const revokedAt = readTime(entry.nextAny());
    const extensionsNode = entry.optional(TAG.sequence);
    entry.end();
    const extensions = extensionsNode ? readExtensions(extensionsNode) : [];
    // A second entry might only be there to weaken the first.
    if (entries.has(serialHex)) throw malformed('The CRL lists a serial number twice.');
    entries.set(serialHex, { revokedAt, ...readEntryExtensions(extensions) });
    hasUnknownCriticalEntry ||= extensions.some(({ critical, oid }) => critical && !ENTRY_UNDERSTOOD.has(oid));
  }
  return { entries, hasUnknownCriticalEntry };
}

const ENTRY_UNDERSTOOD: ReadonlySet<string> = new Set([OID.reasonCode, OID.invalidityDate]);

function readEntryExtensions(extensions: readonly Extension[]): Pick<CrlEntry, 'reason' | 'invalidityDate'> {
  const reasonCode = findExtension(extensions, OID.reasonCode);
  const invalidityDate = findExtension(extensions, OID.invalidityDate);
  return {
    ...(reasonCode ? { reason: readReason(reasonCode.value) } : {}),
    ...(invalidityDate ? { invalidityDate: readTime(readDer(invalidityDate.value, TAG.generalizedTime)) } : {}),
  };
}

/** By number (RFC 5280 §5.3.1); 7 is not used. */
export const CRL_REASONS: readonly (CrlReason | undefined)[] = [
  'unspecified',
  'keyCompromise',
  'cACompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'certificateHold',
  undefined,
  'removeFromCRL',
  'privilegeWithdrawn',
  'aACompromise',
];

function readReason(value: Uint8Array): CrlReason {
  const reason = CRL_REASONS[readSmallInteger(readDer(value, TAG.enumerated))];
  if (!reason) throw malformed('A reason code is unknown.');
  return reason;
}

function readKnownExtensions(
  extensions: Extension[],
): Pick<Crl, 'extensions' | 'number' | 'aki' | 'issuingDistributionPoint' | 'distributionPoint'> {
  const crlNumber = findExtension(extensions, OID.crlNumber);
  const akiExtension = findExtension(extensions, OID.authorityKeyIdentifier);
  const aki = akiExtension && readAuthorityKeyIdentifier(akiExtension.value);
  const idpExtension = findExtension(extensions, OID.issuingDistributionPoint);
  const issuingDistributionPoint = idpExtension && readIssuingDistributionPoint(idpExtension.value);
  const [distributionPoint] = urisOf(issuingDistributionPoint?.names ?? []);
  return {
    extensions,
    ...(crlNumber ? { number: readUnsigned(readDer(crlNumber.value, TAG.integer)) } : {}),
    ...(aki ? { aki } : {}),
    ...(issuingDistributionPoint ? { issuingDistributionPoint } : {}),
    ...(distributionPoint === undefined ? {} : { distributionPoint }),
  };
}

function readIssuingDistributionPoint(value: Uint8Array): IssuingDistributionPoint {
  const cursor = openDer(readDer(value, TAG.sequence));
  const name = readDistributionPointName(cursor.optional(contextTag(0, 'constructed')));
  const onlyUserCerts = readDefaultFalse(cursor, contextTag(1, 'primitive'));
  const onlyCaCerts = readDefaultFalse(cursor, contextTag(2, 'primitive'));
  const reasons = cursor.optional(contextTag(3, 'primitive'));
  const isIndirect = readDefaultFalse(cursor, contextTag(4, 'primitive'));
  const onlyAttributeCerts = readDefaultFalse(cursor, contextTag(5, 'primitive'));
  cursor.end();
  return {
    ...name,
    onlyUserCerts,
    onlyCaCerts,
    onlyAttributeCerts,
    isIndirect,
    ...(reasons ? { onlySomeReasons: readNamedBits(reasons) } : {}),
  };
}

function isTime(tag: number | undefined): boolean {
  return tag === TAG.utcTime || tag === TAG.generalizedTime;
}

function notUsable(message: string): X509Fault {
  return new X509Fault('x509/crl-not-usable', message);
}
