import { areEqualBytes, encodeHex } from '@margo-trust/bytes';
import { parsePublicKey, sha256, type PublicKey } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { readSignatureAlgorithm } from './algorithm.ts';
import {
  malformed,
  openDer,
  readBitStringBytes,
  readDer,
  readIntegerBytes,
  readSmallInteger,
  type DerCursor,
  type DerNode,
} from './der/read.ts';
import { contextTag, TAG } from './der/tag.ts';
import { readTime } from './der/time.ts';
import { readExtensions } from './extension.ts';
import {
  readAuthorityInfoAccess,
  readAuthorityKeyIdentifier,
  readBasicConstraints,
  readCertificatePolicies,
  readDistributionPoints,
  readExtendedKeyUsage,
  readInhibitAnyPolicy,
  readKeyUsage,
  readNameConstraints,
  readPolicyConstraints,
  readPolicyMappings,
  readSubjectAltName,
  readSubjectKeyIdentifier,
} from './extension-values.ts';
import { X509Fault } from './fault.ts';
import { urisOf } from './general-name.ts';
import type { Certificate, Extension } from './model.ts';
import { nameText, readName } from './name.ts';
import { OID } from './oid.ts';

/** Largest certificate read, in bytes. Real ones have one or two thousand. */
export const MAX_CERTIFICATE_BYTES = 65_536;

/**
 * Reads a certificate (RFC 5280 §4.1) from the DER that fills `der`.
 *
 * The encoding must be DER to the letter, the known extensions well-formed and the key one that libs/crypto knows
 * (`x509/unsupported`). Nothing is verified: not the signature, not the dates, not whether critical extensions are
 * understood. That is `verifyPath`.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) throw new X509Fault('x509/too-large', 'The certificate is too large.');
  const outer = openDer(readDer(der, TAG.sequence));
  const tbs = outer.next(TAG.sequence);
  const algorithmNode = outer.next(TAG.sequence);
  const signature = readBitStringBytes(outer.next(TAG.bitString));
  outer.end();

  const cursor = openDer(tbs);
  const version = readVersion(cursor);
  const serialHex = readSerial(cursor.next(TAG.integer));
  // RFC 5280 §4.1.2.2. On CRLs negative numbers are read: they list certificates that are refused here.
  if (serialHex.startsWith('-')) throw malformed('The serial number is negative.');
  if (!areEqualBytes(cursor.next(TAG.sequence).der, algorithmNode.der)) {
    throw malformed('The signature algorithm differs inside and outside the signed part.');
  }
  const issuer = readName(cursor.next(TAG.sequence));
  const { notBefore, notAfter } = readValidity(cursor.next(TAG.sequence));
  const subject = readName(cursor.next(TAG.sequence));
  const spki = cursor.next(TAG.sequence).der;
  const extensions = readTrailer(cursor, version);

  const { oid, algorithm } = readSignatureAlgorithm(algorithmNode);
  return {
    der,
    tbs: tbs.der,
    version,
    serialHex,
    issuer,
    issuerText: nameText(issuer),
    subject,
    subjectText: nameText(subject),
    notBefore,
    notAfter,
    spki,
    publicKey: readPublicKey(spki),
    signatureAlgorithmOid: oid,
    ...(algorithm ? { signatureAlgorithm: algorithm } : {}),
    signature,
    extensions,
    ...readKnownExtensions(extensions),
    fingerprint: encodeHex(sha256(der)),
  };
}

/** `serialHex` of an INTEGER: the magnitude, or `-` and the two's complement of a negative one. */
export function readSerial(node: DerNode): string {
  const octets = readIntegerBytes(node);
  // RFC 5280 §4.1.2.2 allows 20 octets; a sign octet may come before them.
  if (octets.length > 21) throw malformed('A serial number is too long.');
  const hex = encodeHex(octets);
  if ((octets[0] ?? 0) >= 0x80) return `-${hex}`;
  return octets.length > 1 && octets[0] === 0 ? hex.slice(2) : hex;
}

/** Also used for certification requests, whose keys come from strangers just the same. */
export function readPublicKey(spki: Uint8Array): PublicKey {
  try {
    return parsePublicKey(spki);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    if (cause.code === 'crypto/weak-key') throw new X509Fault('x509/weak', 'The public key is too weak.', { cause });
    throw new X509Fault('x509/unsupported', 'The public key is malformed or of an unsupported kind.', { cause });
  }
}

function readVersion(cursor: DerCursor): 1 | 2 | 3 {
  const wrapped = cursor.optional(contextTag(0, 'constructed'));
  if (!wrapped) return 1;
  const value = readSmallInteger(readDer(wrapped.content, TAG.integer));
  if (value === 1) return 2;
  if (value === 2) return 3;
  throw malformed('The certificate has an unknown version.');
}

function readValidity(node: DerNode): { notBefore: Date; notAfter: Date } {
  const cursor = openDer(node);
  const notBefore = readTime(cursor.nextAny());
  const notAfter = readTime(cursor.nextAny());
  cursor.end();
  return { notBefore, notAfter };
}

/** Unique identifiers (ignored, RFC 5280 §4.1.2.8) and extensions. */
function readTrailer(cursor: DerCursor, version: 1 | 2 | 3): Extension[] {
  if (version >= 2) {
    cursor.optional(contextTag(1, 'primitive'));
    cursor.optional(contextTag(2, 'primitive'));
  }
  const wrapped = version === 3 ? cursor.optional(contextTag(3, 'constructed')) : undefined;
  cursor.end();
  return wrapped ? readExtensions(readDer(wrapped.content, TAG.sequence)) : [];
}

type KnownExtensions = Pick<
  Certificate,
  | 'sans'
  | 'uriSans'
  | 'isCa'
  | 'pathLen'
  | 'keyUsage'
  | 'extendedKeyUsage'
  | 'nameConstraints'
  | 'policies'
  | 'policyMappings'
  | 'policyConstraints'
  | 'inhibitAnyPolicy'
  | 'ski'
  | 'aki'
  | 'distributionPoints'
  | 'crlUrls'
  | 'caIssuersUrls'
  | 'ocspUrls'
>;

function readKnownExtensions(extensions: readonly Extension[]): KnownExtensions {
  const read = <T>(oid: string, reader: (value: Uint8Array) => T): T | undefined => {
    const extension = extensions.find((candidate) => candidate.oid === oid);
    return extension && reader(extension.value);
  };
  const sans = read(OID.subjectAltName, readSubjectAltName) ?? [];
  const extendedKeyUsage = read(OID.extendedKeyUsage, readExtendedKeyUsage);
  const nameConstraints = read(OID.nameConstraints, readNameConstraints);
  const policyMappings = read(OID.policyMappings, readPolicyMappings);
  const policyConstraints = read(OID.policyConstraints, readPolicyConstraints);
  const inhibitAnyPolicy = read(OID.inhibitAnyPolicy, readInhibitAnyPolicy);
  const ski = read(OID.subjectKeyIdentifier, readSubjectKeyIdentifier);
  const aki = read(OID.authorityKeyIdentifier, readAuthorityKeyIdentifier);
  const distributionPoints = read(OID.crlDistributionPoints, readDistributionPoints) ?? [];
  return {
    sans,
    uriSans: urisOf(sans),
    ...(read(OID.basicConstraints, readBasicConstraints) ?? { isCa: false }),
    keyUsage: read(OID.keyUsage, readKeyUsage) ?? new Set(),
    ...(extendedKeyUsage ? { extendedKeyUsage } : {}),
    ...(nameConstraints ? { nameConstraints } : {}),
    policies: read(OID.certificatePolicies, readCertificatePolicies) ?? [],
    ...(policyMappings ? { policyMappings } : {}),
    ...(policyConstraints ? { policyConstraints } : {}),
    ...(inhibitAnyPolicy === undefined ? {} : { inhibitAnyPolicy }),
    ...(ski ? { ski } : {}),
    ...(aki ? { aki } : {}),
    distributionPoints,
    crlUrls: distributionPoints.flatMap(({ names }) => urisOf(names)),
    ...(read(OID.authorityInfoAccess, readAuthorityInfoAccess) ?? { caIssuersUrls: [], ocspUrls: [] }),
  };
}
