import { areEqualBytes, encodeHex } from '@margo-trust/bytes';
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
import { readGeneralNames, urisOf } from './general-name.ts';
import type { Certificate, Crl, CrlEntry, Extension, IssuingDistributionPoint, Name } from './model.ts';
import { areEqualNames, comparable, readName } from './name.ts';
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
  const entriesNode = cursor.optional(TAG.sequence);
  const wrapped = version ? cursor.optional(contextTag(0, 'constructed')) : undefined;
  cursor.end();
  const extensions = readKnownExtensions(wrapped ? readExtensions(readDer(wrapped.content, TAG.sequence)) : []);

  const { oid, algorithm } = readSignatureAlgorithm(algorithmNode);
  return {
    der,
    tbs: tbs.der,
    issuer,
    thisUpdate,
    ...(nextUpdate ? { nextUpdate } : {}),
    ...readEntries(entriesNode, extensions.issuingDistributionPoint?.isIndirect ?? false),
    ...extensions,
    signatureAlgorithmOid: oid,
    ...(algorithm ? { signatureAlgorithm: algorithm } : {}),
    signature,
  };
}

/**
 * Checks that the CA of certificate `issuer` issued the CRL and that nothing in it forbids its use: the names, the
 * `cRLSign` usage, the signature, and no critical extension that is not understood (RFC 5280 §6.3.3 f, g). Delta and
 * indirect CRLs are refused (`x509/crl-delta`, `x509/crl-indirect`): we publish none.
 *
 * Whether `issuer` itself is to be trusted, whether the CRL covers a certificate and how old it is, is left to the caller.
 */
export function verifyCrl(crl: Crl, issuer: Certificate): void {
  if (isDelta(crl)) throw new X509Fault('x509/crl-delta', 'Delta CRLs are not used.');
  if (isIndirect(crl)) throw new X509Fault('x509/crl-indirect', 'Indirect CRLs are not used.');
  refuseUnusable(crl, issuer);
  verifySigned(crl, issuer.publicKey);
}

/**
 * Returns if `next` may take the place of `previous`, as a cache or a publisher must ask: one issuer, one scope, a number
 * not below the one before and, where it is above, a time not before (RFC 5280 §5.2.3). Else `x509/crl-not-usable`.
 *
 * Two CRLs of one number are one list with different terms, as for caches that are filled by hand.
 */
export function verifyCrlSuccession(previous: Crl, next: Crl): void {
  if (crlScopeKey(previous) !== crlScopeKey(next)) throw notUsable('The CRLs differ in issuer or scope.');
  if (previous.number === undefined || next.number === undefined) throw notUsable('A CRL has no number.');
  if (next.number < previous.number) throw notUsable('The CRL has a lower number than one before it.');
  if (next.number > previous.number && next.thisUpdate < previous.thisUpdate) {
    throw notUsable('The numbers and times of CRLs contradict each other.');
  }
}

/** A text that is the same for CRLs of one issuer and scope (RFC 5280 §5.2.3); delta CRLs are apart. */
export function crlScopeKey({ issuer, extensions }: Crl): string {
  const scope = findExtension(extensions, OID.issuingDistributionPoint)?.value;
  const kind = findExtension(extensions, OID.deltaCrlIndicator) ? 'delta' : 'complete';
  return `${kind} ${scope ? encodeHex(scope) : ''} ${comparable(issuer.rdns)}`;
}

/** A delta CRL lists only what changed since another CRL (RFC 5280 §5.2.4). */
export function isDelta({ extensions }: Crl): boolean {
  return findExtension(extensions, OID.deltaCrlIndicator) !== undefined;
}

/** Its entries may be certificates of other issuers (RFC 5280 §5.2.5). */
export function isIndirect({ issuingDistributionPoint }: Crl): boolean {
  return issuingDistributionPoint?.isIndirect ?? false;
}

/** All that can be said about the CRL and who may have signed it without checking the signature. */
export function refuseUnusable(crl: Crl, issuer: Certificate): void {
  if (!areEqualNames(crl.issuer, issuer.subject)) throw notUsable('The CRL is from another issuer.');
  const unknown = crl.extensions.find(({ critical, oid }) => critical && !UNDERSTOOD.has(oid));
  if (unknown) throw notUsable(`The CRL has a critical extension that is not understood: ${unknown.oid}.`);
  if (crl.hasUnknownCriticalEntry) throw notUsable('An entry has a critical extension that is not understood.');
  if (issuer.keyUsage.size > 0 && !issuer.keyUsage.has('cRLSign')) {
    throw new X509Fault('x509/key-usage', 'The key of the issuer may not sign CRLs.');
  }
}

const UNDERSTOOD: ReadonlySet<string> = new Set([
  OID.authorityKeyIdentifier,
  OID.crlNumber,
  OID.deltaCrlIndicator,
  OID.issuerAltName,
  OID.issuingDistributionPoint,
]);

type Entries = Pick<Crl, 'entries' | 'entriesOfOthers' | 'hasUnknownCriticalEntry'>;

function readEntries(node: DerNode | undefined, isIndirect: boolean): Entries {
  const own = new Map<string, CrlEntry>();
  const others: { readonly issuer: Name; readonly entries: Map<string, CrlEntry> }[] = [];
  let entries = own;
  let hasUnknownCriticalEntry = false;
  const cursor = new DerCursor(node?.content ?? new Uint8Array());
  while (!cursor.isAtEnd()) {
    const entry = openDer(cursor.next(TAG.sequence));
    const serialHex = readSerial(entry.next(TAG.integer));
    const revokedAt = readTime(entry.nextAny());
    const extensionsNode = entry.optional(TAG.sequence);
    entry.end();
    const extensions = extensionsNode ? readExtensions(extensionsNode) : NONE;
    const issuer = isIndirect ? findExtension(extensions, OID.certificateIssuer) : undefined;
    if (issuer) {
      // RFC 5280 §5.3.3: holds for this entry and those after it, until the next that names one.
      entries = new Map();
      others.push({ issuer: readCertificateIssuer(issuer.value), entries });
    }
    // A second entry might only be there to weaken the first.
    if (entries.has(serialHex)) throw malformed('The CRL lists a serial number twice.');
    entries.set(serialHex, { revokedAt, ...readEntryExtensions(extensions) });
    hasUnknownCriticalEntry ||= extensions.some(
      (extension) => extension.critical && extension !== issuer && !ENTRY_UNDERSTOOD.has(extension.oid),
    );
  }
  return { entries: own, entriesOfOthers: others, hasUnknownCriticalEntry };
}

const NONE: readonly Extension[] = [];
const ENTRY_UNDERSTOOD: ReadonlySet<string> = new Set([OID.reasonCode, OID.invalidityDate]);

/** The directory name among the issuer's names, which must be there to be compared (RFC 5280 §5.3.3). */
function readCertificateIssuer(value: Uint8Array): Name {
  const names = readGeneralNames(readDer(value, TAG.sequence));
  const directory = names.find((name) => name.type === 'directory');
  if (!directory) throw malformed('An entry names its issuer in an unknown form.');
  return directory.name;
}

function readEntryExtensions(extensions: readonly Extension[]): Pick<CrlEntry, 'reason' | 'invalidityDate'> {
  if (extensions.length === 0) return {};
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
