import type { PublicKey, SignatureAlgorithm } from '@margo-trust/crypto';
import type { CrlReason } from './fault.ts';

/** One AttributeTypeAndValue (RFC 5280 §4.1.2.4). */
export interface NameAttribute {
  readonly oid: string;
  /** The decoded string, or `#` and the hex of the value's DER when its type is no string type. */
  readonly value: string;
  /** Identifier octet of the value: 0x0c UTF8String, 0x13 PrintableString … */
  readonly tag: number;
}

/** A distinguished name. `der` is what was signed; compare names with `areEqualNames`, not byte by byte. */
export interface Name {
  readonly der: Uint8Array;
  readonly rdns: readonly (readonly NameAttribute[])[];
}

/** RFC 5280 §4.2.1.6. */
export type GeneralName =
  | { readonly type: 'rfc822' | 'dns' | 'uri'; readonly value: string }
  | { readonly type: 'directory'; readonly name: Name }
  | { readonly type: 'ip'; readonly address: Uint8Array }
  | { readonly type: 'other'; readonly tag: number; readonly content: Uint8Array };

export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  /** Contents of the OCTET STRING: the DER of the extension's own type. */
  readonly value: Uint8Array;
}

/** RFC 5280 §4.2.1.3. */
export type KeyUsage =
  | 'digitalSignature'
  | 'nonRepudiation'
  | 'keyEncipherment'
  | 'dataEncipherment'
  | 'keyAgreement'
  | 'keyCertSign'
  | 'cRLSign'
  | 'encipherOnly'
  | 'decipherOnly';

/** RFC 5280 §4.2.1.10. A subtree of type `ip` holds address and mask (8 or 32 octets). */
export interface NameConstraints {
  readonly permitted: readonly GeneralName[];
  readonly excluded: readonly GeneralName[];
}

/** One pair of a mapping (RFC 5280 §4.2.1.5): object identifiers. */
export interface PolicyMapping {
  readonly issuerDomain: string;
  readonly subjectDomain: string;
}

/** RFC 5280 §4.2.1.11. Certificates that may still follow before the constraint takes hold. */
export interface PolicyConstraints {
  readonly requireExplicitPolicy?: number;
  readonly inhibitPolicyMapping?: number;
}

/** RFC 5280 §4.2.1.13. `names` is empty when the point is described by its CRL issuer alone. */
export interface DistributionPoint {
  readonly names: readonly GeneralName[];
  /** Set when the point is named relative to the CRL issuer: the last RDN, as in a Name. */
  readonly relativeName?: readonly NameAttribute[];
  readonly reasons?: ReadonlySet<number>;
  readonly crlIssuers: readonly Name[];
}

/** A parsed certificate. Nothing in it is verified; `der` is what was signed and hashed. */
export interface Certificate {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly version: 1 | 2 | 3;
  /** Lower-case hex of the serial number without sign octet. */
  readonly serialHex: string;
  readonly issuer: Name;
  readonly subject: Name;
  /** RFC 4514 text, for people: `CN=…,O=…,ST=…,C=…`. Never compare it. */
  readonly subjectText: string;
  readonly issuerText: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: PublicKey;
  readonly spki: Uint8Array;
  readonly signatureAlgorithmOid: string;
  /** Undefined when the algorithm is not one this library verifies; such a certificate can't be part of a path. */
  readonly signatureAlgorithm?: SignatureAlgorithm;
  readonly signature: Uint8Array;
  readonly extensions: readonly Extension[];
  readonly sans: readonly GeneralName[];
  readonly uriSans: readonly string[];
  readonly isCa: boolean;
  readonly pathLen?: number;
  /** Empty when the extension is absent, which leaves the key unrestricted. */
  readonly keyUsage: ReadonlySet<KeyUsage>;
  /** Object identifiers, in order. Undefined when the extension is absent. */
  readonly extendedKeyUsage?: readonly string[];
  readonly nameConstraints?: NameConstraints;
  /** Empty when the extension is absent; an empty extension is malformed. */
  readonly policies: readonly string[];
  readonly policyMappings?: readonly PolicyMapping[];
  readonly policyConstraints?: PolicyConstraints;
  /** Certificates that may still follow before "any policy" stands for none (RFC 5280 §4.2.1.14). */
  readonly inhibitAnyPolicy?: number;
  readonly ski?: Uint8Array;
  readonly aki?: Uint8Array;
  readonly distributionPoints: readonly DistributionPoint[];
  /** The URLs of `distributionPoints`, in order. */
  readonly crlUrls: readonly string[];
  readonly caIssuersUrls: readonly string[];
  readonly ocspUrls: readonly string[];
  /** Lower-case hex of SHA-256 over `der`. */
  readonly fingerprint: string;
}

export interface CrlEntry {
  readonly revokedAt: Date;
  readonly reason?: CrlReason;
  readonly invalidityDate?: Date;
}

/** RFC 5280 §5.2.5. */
export interface IssuingDistributionPoint {
  readonly names: readonly GeneralName[];
  readonly relativeName?: readonly NameAttribute[];
  readonly onlyUserCerts: boolean;
  readonly onlyCaCerts: boolean;
  readonly onlyAttributeCerts: boolean;
  readonly isIndirect: boolean;
  /** Bit numbers of ReasonFlags; undefined means all reasons. */
  readonly onlySomeReasons?: ReadonlySet<number>;
}

/** A parsed CRL. Nothing in it is verified. */
export interface Crl {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly issuer: Name;
  /** CRLNumber (RFC 5280 §5.2.3). Undefined in CRLs of version 1. */
  readonly number?: bigint;
  readonly thisUpdate: Date;
  readonly nextUpdate?: Date;
  /** Certificates of the CRL's own issuer, by `serialHex` as in a certificate; a negative one has a leading `-`. */
  readonly entries: ReadonlyMap<string, CrlEntry>;
  /** Only in an indirect CRL: certificates of other issuers (RFC 5280 §5.3.3). */
  readonly entriesOfOthers: readonly { readonly issuer: Name; readonly entries: ReadonlyMap<string, CrlEntry> }[];
  /** First URL of the issuing distribution point. */
  readonly distributionPoint?: string;
  readonly issuingDistributionPoint?: IssuingDistributionPoint;
  readonly aki?: Uint8Array;
  readonly extensions: readonly Extension[];
  /** An entry carries a critical extension this library does not know: the CRL must not be used (RFC 5280 §5.3). */
  readonly hasUnknownCriticalEntry: boolean;
  readonly signatureAlgorithmOid: string;
  readonly signatureAlgorithm?: SignatureAlgorithm;
  readonly signature: Uint8Array;
}
