import { encodeUtf8 } from '@margo-trust/bytes';
import type { SignatureAlgorithm } from '@margo-trust/crypto';
import {
  assembleSigned,
  certificateSignatureAlgorithm,
  derBitString,
  derBoolean,
  derExplicit,
  derImplicit,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derPrimitive,
  derSequence,
  derSetOf,
  derTime,
  encodeSignatureAlgorithm,
  encodeSignatureValue,
  OID,
  TAG,
  type Extension,
} from '@margo-trust/x509';
import type { KeyPair } from './key.ts';

/**
 * Certificates and CRLs from their parts, with nothing judged: what the profiles refuse can be made here, and what no
 * standard allows as well.
 */
export interface PlainCertificate {
  /** Default: 3, and 1 has no extensions. */
  readonly version?: 1 | 3;
  /** Content of the INTEGER, so that negative and overlong ones can be had. */
  readonly serial: Uint8Array;
  /** DER of the Names. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly spki: Uint8Array;
  readonly extensions: readonly Extension[];
}

export interface PlainCrl {
  readonly issuer: Uint8Array;
  readonly thisUpdate: Date;
  readonly nextUpdate?: Date;
  readonly entries?: readonly PlainEntry[];
  readonly extensions: readonly Extension[];
}

export interface PlainEntry {
  readonly serial: Uint8Array;
  readonly revokedAt: Date;
  readonly extensions?: readonly Extension[];
}

export function signPlainCertificate(plain: PlainCertificate, signer: KeyPair): Uint8Array {
  const algorithm = certificateSignatureAlgorithm(signer.publicKey);
  return sealed(encodePlainTbs(plain, algorithm), algorithm, signer);
}

/** The signed part alone, for who wants to spoil it first. */
export function encodePlainTbs(plain: PlainCertificate, algorithm: SignatureAlgorithm): Uint8Array {
  const isV3 = plain.version !== 1;
  return derSequence(
    ...(isV3 ? [derExplicit(0, derInteger(2))] : []),
    derPrimitive(TAG.integer, plain.serial),
    encodeSignatureAlgorithm(algorithm),
    plain.issuer,
    derSequence(derTime(plain.notBefore), derTime(plain.notAfter)),
    plain.subject,
    plain.spki,
    ...(isV3 && plain.extensions.length > 0 ? [derExplicit(3, extensionList(plain.extensions))] : []),
  );
}

export function signPlainCrl(plain: PlainCrl, signer: KeyPair): Uint8Array {
  const algorithm = certificateSignatureAlgorithm(signer.publicKey);
  const entries = (plain.entries ?? []).map(({ serial, revokedAt, extensions = [] }) =>
    derSequence(
      derPrimitive(TAG.integer, serial),
      derTime(revokedAt),
      ...(extensions.length > 0 ? [extensionList(extensions)] : []),
    ),
  );
  const tbs = derSequence(
    derInteger(1),
    encodeSignatureAlgorithm(algorithm),
    plain.issuer,
    derTime(plain.thisUpdate),
    ...(plain.nextUpdate ? [derTime(plain.nextUpdate)] : []),
    ...(entries.length > 0 ? [derSequence(...entries)] : []),
    ...(plain.extensions.length > 0 ? [derExplicit(0, extensionList(plain.extensions))] : []),
  );
  return sealed(tbs, algorithm, signer);
}

/** Joins a signed part, as it is, with the signer's signature over it. */
export function sealed(tbs: Uint8Array, algorithm: SignatureAlgorithm, signer: KeyPair): Uint8Array {
  return assembleSigned(tbs, algorithm, signer.sign(tbs, algorithm));
}

/** As `sealed`, but the BIT STRING holds what is given. */
export function sealedWith(tbs: Uint8Array, algorithm: SignatureAlgorithm, signature: Uint8Array): Uint8Array {
  const value = derBitString(encodeSignatureValue(algorithm, signature));
  return derSequence(tbs, encodeSignatureAlgorithm(algorithm), value);
}

/** C=XX, O=Test, CN=`commonName`; the tag is that of the last two values. */
export function plainName(commonName: string, tag: number = TAG.utf8): Uint8Array {
  const part = (oid: string, valueTag: number, value: string) =>
    derSetOf([derSequence(derOid(oid), derPrimitive(valueTag, encodeUtf8(value)))]);
  return derSequence(
    part(OID.country, TAG.printable, 'XX'),
    part(OID.organization, tag, 'Test'),
    part(OID.commonName, tag, commonName),
  );
}

/** GeneralName in DER (RFC 5280 §4.2.1.6). */
export const generalName = {
  rfc822: (value: string) => derPrimitive(0x81, encodeUtf8(value)),
  dns: (value: string) => derPrimitive(0x82, encodeUtf8(value)),
  directory: (name: Uint8Array) => derExplicit(4, name),
  uri: (value: string) => derPrimitive(0x86, encodeUtf8(value)),
  /** Of an address, or of address and mask in a constraint. */
  ip: (...octets: number[]) => derPrimitive(0x87, Uint8Array.from(octets)),
};

/** Extensions of certificates and CRLs, well-formed whatever they say. */
export const plainExtension = {
  basicConstraints: (isCa: boolean, pathLen?: number): Extension => ({
    oid: OID.basicConstraints,
    critical: true,
    value: derSequence(
      ...(isCa ? [derBoolean(true)] : []),
      ...(isCa && pathLen !== undefined ? [derInteger(pathLen)] : []),
    ),
  }),
  /** Bits by number (RFC 5280 §4.2.1.3): 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
  keyUsage: (...bits: number[]): Extension => ({ oid: OID.keyUsage, critical: true, value: derNamedBits(bits) }),
  extendedKeyUsage: (...purposes: string[]): Extension =>
    plain(OID.extendedKeyUsage, derSequence(...purposes.map((purpose) => derOid(purpose)))),
  subjectKeyId: (id: Uint8Array): Extension => plain(OID.subjectKeyIdentifier, derOctetString(id)),
  authorityKeyId: (id: Uint8Array): Extension =>
    plain(OID.authorityKeyIdentifier, derSequence(derImplicit(0, derOctetString(id)))),
  subjectAltNames: (...names: Uint8Array[]): Extension => plain(OID.subjectAltName, derSequence(...names)),
  nameConstraints: (permitted: readonly Uint8Array[], excluded: readonly Uint8Array[] = []): Extension => {
    const subtrees = (bases: readonly Uint8Array[]) => derSequence(...bases.map((base) => derSequence(base)));
    return {
      oid: OID.nameConstraints,
      critical: true,
      value: derSequence(
        ...(permitted.length > 0 ? [derImplicit(0, subtrees(permitted))] : []),
        ...(excluded.length > 0 ? [derImplicit(1, subtrees(excluded))] : []),
      ),
    };
  },
  policies: (...policies: string[]): Extension =>
    plain(OID.certificatePolicies, derSequence(...policies.map((policy) => derSequence(derOid(policy))))),
  policyMappings: (...mappings: (readonly [string, string])[]): Extension => ({
    oid: OID.policyMappings,
    critical: true,
    value: derSequence(...mappings.map(([from, to]) => derSequence(derOid(from), derOid(to)))),
  }),
  policyConstraints: (explicit?: number, mapping?: number): Extension => ({
    oid: OID.policyConstraints,
    critical: true,
    value: derSequence(
      ...(explicit === undefined ? [] : [derImplicit(0, derInteger(explicit))]),
      ...(mapping === undefined ? [] : [derImplicit(1, derInteger(mapping))]),
    ),
  }),
  inhibitAnyPolicy: (skip: number): Extension => ({
    oid: OID.inhibitAnyPolicy,
    critical: true,
    value: derInteger(skip),
  }),
  /** One point, by URL, for some reasons (bits of ReasonFlags) and of another CRL issuer if given. */
  distributionPoint: (url?: string, of: { reasons?: readonly number[]; crlIssuer?: Uint8Array } = {}): Extension =>
    plain(
      OID.crlDistributionPoints,
      derSequence(
        derSequence(
          ...(url === undefined ? [] : [pointName(url)]),
          ...(of.reasons ? [derImplicit(1, derNamedBits(of.reasons))] : []),
          ...(of.crlIssuer ? [derImplicit(2, derSequence(generalName.directory(of.crlIssuer)))] : []),
        ),
      ),
    ),
  issuingDistributionPoint: (
    of: { url?: string; only?: 'leaves' | 'cas'; reasons?: readonly number[]; isIndirect?: boolean } = {},
  ): Extension => ({
    oid: OID.issuingDistributionPoint,
    critical: true,
    value: derSequence(
      ...(of.url === undefined ? [] : [pointName(of.url)]),
      ...(of.only === 'leaves' ? [derImplicit(1, derBoolean(true))] : []),
      ...(of.only === 'cas' ? [derImplicit(2, derBoolean(true))] : []),
      ...(of.reasons ? [derImplicit(3, derNamedBits(of.reasons))] : []),
      ...(of.isIndirect ? [derImplicit(4, derBoolean(true))] : []),
    ),
  }),
  crlNumber: (number: number | bigint): Extension => plain(OID.crlNumber, derInteger(number)),
  deltaOf: (number: number): Extension => ({ oid: OID.deltaCrlIndicator, critical: true, value: derInteger(number) }),
  /** Of a CRL entry (RFC 5280 §5.3.1). */
  reason: (code: number): Extension => plain(OID.reasonCode, derPrimitive(TAG.enumerated, Uint8Array.of(code))),
  /** Of a CRL entry (RFC 5280 §5.3.3). */
  certificateIssuer: (name: Uint8Array): Extension => ({
    oid: OID.certificateIssuer,
    critical: true,
    value: derSequence(generalName.directory(name)),
  }),
};

function plain(oid: string, value: Uint8Array): Extension {
  return { oid, critical: false, value };
}

function pointName(url: string): Uint8Array {
  return derExplicit(0, derImplicit(0, derSequence(generalName.uri(url))));
}

function extensionList(extensions: readonly Extension[]): Uint8Array {
  return derSequence(
    ...extensions.map(({ oid, critical, value }) =>
      derSequence(derOid(oid), ...(critical ? [derBoolean(true)] : []), derOctetString(value)),
    ),
  );
}
