import {
  malformed,
  openDer,
  readDefaultFalse,
  readDer,
  readElements,
  readNamedBits,
  readOid,
  readSmallInteger,
  type DerNode,
} from './der/read.ts';
import { contextTag, TAG } from './der/tag.ts';
import { readGeneralName, readGeneralNames } from './general-name.ts';
import type {
  DistributionPoint,
  GeneralName,
  KeyUsage,
  NameAttribute,
  NameConstraints,
  PolicyConstraints,
  PolicyMapping,
} from './model.ts';
import { readRdn } from './name.ts';
import { OID } from './oid.ts';

/** RFC 5280 §4.2.1.9. */
export function readBasicConstraints(value: Uint8Array): { isCa: boolean; pathLen?: number } {
  const cursor = openDer(readDer(value, TAG.sequence));
  const isCa = readDefaultFalse(cursor);
  const pathLen = cursor.optional(TAG.integer);
  cursor.end();
  if (!pathLen) return { isCa };
  if (!isCa) throw malformed('A path length stands in a certificate that is not a CA.');
  return { isCa, pathLen: readSmallInteger(pathLen) };
}

/** In the order of the bits (RFC 5280 §4.2.1.3). */
export const KEY_USAGES: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
];

export function readKeyUsage(value: Uint8Array): ReadonlySet<KeyUsage> {
  const bits = readNamedBits(readDer(value, TAG.bitString));
  if (bits.size === 0) throw malformed('The key usage is empty.');
  return new Set(KEY_USAGES.filter((_, bit) => bits.has(bit)));
}

/** RFC 5280 §4.2.1.12. */
export function readExtendedKeyUsage(value: Uint8Array): string[] {
  const purposes = readElements(readDer(value, TAG.sequence), TAG.oid).map(readOid);
  if (purposes.length === 0) throw malformed('The extended key usage is empty.');
  return purposes;
}

/** RFC 5280 §4.2.1.2. */
export function readSubjectKeyIdentifier(value: Uint8Array): Uint8Array {
  return readDer(value, TAG.octetString).content;
}

/** The key identifier, the only member looked at (RFC 5280 §4.2.1.1). */
export function readAuthorityKeyIdentifier(value: Uint8Array): Uint8Array | undefined {
  const cursor = openDer(readDer(value, TAG.sequence));
  const keyIdentifier = cursor.optional(contextTag(0, 'primitive'));
  cursor.optional(contextTag(1, 'constructed'));
  cursor.optional(contextTag(2, 'primitive'));
  cursor.end();
  return keyIdentifier?.content;
}

/** RFC 5280 §4.2.1.6. */
export function readSubjectAltName(value: Uint8Array): GeneralName[] {
  const names = readGeneralNames(readDer(value, TAG.sequence));
  for (const name of names) {
    if (name.type !== 'ip' || name.address.length === 4 || name.address.length === 16) continue;
    throw malformed('An IP address has neither 4 nor 16 octets.');
  }
  return names;
}

/** The policies without their qualifiers, none twice (RFC 5280 §4.2.1.4). */
export function readCertificatePolicies(value: Uint8Array): string[] {
  const policies = readElements(readDer(value, TAG.sequence), TAG.sequence).map((node) => {
    const cursor = openDer(node);
    const policy = readOid(cursor.next(TAG.oid));
    cursor.optional(TAG.sequence);
    cursor.end();
    return policy;
  });
  if (policies.length === 0) throw malformed('The list of policies is empty.');
  if (new Set(policies).size !== policies.length) throw malformed('A policy appears twice.');
  return policies;
}

/** RFC 5280 §4.2.1.5. `anyPolicy` on either side is malformed to the letter, and for path validation to refuse (§6.1.4 a). */
export function readPolicyMappings(value: Uint8Array): PolicyMapping[] {
  const mappings = readElements(readDer(value, TAG.sequence), TAG.sequence).map((node) => {
    const cursor = openDer(node);
    const issuerDomain = readOid(cursor.next(TAG.oid));
    const subjectDomain = readOid(cursor.next(TAG.oid));
    cursor.end();
    return { issuerDomain, subjectDomain };
  });
  if (mappings.length === 0) throw malformed('The list of policy mappings is empty.');
  return mappings;
}

/** RFC 5280 §4.2.1.11. */
export function readPolicyConstraints(value: Uint8Array): PolicyConstraints {
  const cursor = openDer(readDer(value, TAG.sequence));
  const explicit = readSkipCerts(cursor.optional(contextTag(0, 'primitive')));
  const mapping = readSkipCerts(cursor.optional(contextTag(1, 'primitive')));
  cursor.end();
  if (explicit === undefined && mapping === undefined) throw malformed('The policy constraints are empty.');
  return {
    ...(explicit === undefined ? {} : { requireExplicitPolicy: explicit }),
    ...(mapping === undefined ? {} : { inhibitPolicyMapping: mapping }),
  };
}

/** RFC 5280 §4.2.1.14. */
export function readInhibitAnyPolicy(value: Uint8Array): number {
  return readSmallInteger(readDer(value, TAG.integer));
}

function readSkipCerts(node: DerNode | undefined): number | undefined {
  return node && readSmallInteger({ ...node, tag: TAG.integer });
}

/** RFC 5280 §4.2.2.1. */
export function readAuthorityInfoAccess(value: Uint8Array): { caIssuersUrls: string[]; ocspUrls: string[] } {
  const urls: { method: string; url: string }[] = [];
  for (const node of readElements(readDer(value, TAG.sequence), TAG.sequence)) {
    const cursor = openDer(node);
    const method = readOid(cursor.next(TAG.oid));
    const location = readGeneralName(cursor.nextAny());
    cursor.end();
    if (location.type === 'uri') urls.push({ method, url: location.value });
  }
  const of = (method: string) => urls.filter((access) => access.method === method).map(({ url }) => url);
  return { caIssuersUrls: of(OID.caIssuers), ocspUrls: of(OID.ocsp) };
}

/** RFC 5280 §4.2.1.10. `minimum` and `maximum` are refused: no name form gives them a meaning. */
export function readNameConstraints(value: Uint8Array): NameConstraints {
  const cursor = openDer(readDer(value, TAG.sequence));
  const permitted = cursor.optional(contextTag(0, 'constructed'));
  const excluded = cursor.optional(contextTag(1, 'constructed'));
  cursor.end();
  if (!permitted && !excluded) throw malformed('The name constraints are empty.');
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) };
}

function readSubtrees(node: DerNode | undefined): GeneralName[] {
  if (!node) return [];
  const subtrees = readElements(node, TAG.sequence).map((subtree) => {
    const cursor = openDer(subtree);
    const base = readGeneralName(cursor.nextAny());
    cursor.end();
    if (base.type === 'ip' && !isAddressWithMask(base.address)) throw malformed('An IP constraint is malformed.');
    return base;
  });
  if (subtrees.length === 0) throw malformed('A list of subtrees is empty.');
  return subtrees;
}

/** Address and mask, the mask a row of ones followed by zeros (RFC 4632). */
function isAddressWithMask(bytes: Uint8Array): boolean {
  if (bytes.length !== 8 && bytes.length !== 32) return false;
  const mask = [...bytes.subarray(bytes.length / 2)].map((octet) => octet.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(mask);
}

/** RFC 5280 §4.2.1.13. */
export function readDistributionPoints(value: Uint8Array): DistributionPoint[] {
  const points = readElements(readDer(value, TAG.sequence), TAG.sequence).map((node) => {
    const cursor = openDer(node);
    const name = cursor.optional(contextTag(0, 'constructed'));
    const reasons = cursor.optional(contextTag(1, 'primitive'));
    const crlIssuer = cursor.optional(contextTag(2, 'constructed'));
    cursor.end();
    return {
      ...readDistributionPointName(name),
      ...(reasons ? { reasons: readNamedBits(reasons) } : {}),
      crlIssuers: crlIssuer
        ? readGeneralNames(crlIssuer).flatMap((issuer) => (issuer.type === 'directory' ? [issuer.name] : []))
        : [],
    };
  });
  if (points.length === 0) throw malformed('The list of distribution points is empty.');
  return points;
}

/** DistributionPointName, wrapped in its explicit tag. */
export function readDistributionPointName(node: DerNode | undefined): {
  names: GeneralName[];
  relativeName?: NameAttribute[];
} {
  if (!node) return { names: [] };
  const cursor = openDer(node);
  const choice = cursor.nextAny();
  cursor.end();
  if (choice.tag === contextTag(0, 'constructed')) return { names: readGeneralNames(choice) };
  if (choice.tag === contextTag(1, 'constructed')) return { names: [], relativeName: readRdn(choice) };
  throw malformed('A distribution point has an unknown form.');
}
