import type { SignatureAlgorithm } from '@margo-trust/crypto';
import {
  contextTag,
  derRetag,
  OID,
  openDer,
  readDer,
  readElements,
  readOid,
  readSerial,
  readSignatureAlgorithm,
  readSmallInteger,
  TAG,
  type DerCursor,
  type DerNode,
} from '@margo-trust/x509';
import { malformed, readingDer, TimestampFault } from './fault.ts';
import { readHash, type TimestampHash } from './hash.ts';
import { CMS } from './oid.ts';
import { parseTstInfo, type TstInfo } from './tst-info.ts';

/** A token taken apart. Nothing in it is verified. */
export interface TimestampToken {
  readonly info: TstInfo;
  /** The encoded TSTInfo: what `messageDigest` covers. */
  readonly content: Uint8Array;
  /** DER of the certificates that came along, in no particular order. */
  readonly certificates: readonly Uint8Array[];
  readonly signer: SignerInfo;
}

export interface SignerInfo {
  readonly id: SignerId;
  readonly hash: TimestampHash;
  /** What was signed: the attributes under the tag of a SET (RFC 5652 §5.4). */
  readonly signedBytes: Uint8Array;
  /** By object identifier; each has exactly one value. */
  readonly attributes: ReadonlyMap<string, DerNode>;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
}

/** Which certificate signed: DER of the issuer's Name and the serial number, or the key identifier. */
export type SignerId = { readonly issuer: Uint8Array; readonly serialHex: string } | { readonly ski: Uint8Array };

/** Largest token read, in bytes. Real ones have two to eight thousand. */
export const MAX_TOKEN_BYTES = 65_536;

/**
 * Reads a TimeStampToken: a CMS SignedData with one signer around a TSTInfo (RFC 3161 §2.4.2), in DER. Sets may be out of
 * order, as OpenSSL writes its certificates.
 */
export function parseTimestampToken(der: Uint8Array): TimestampToken {
  if (der.length > MAX_TOKEN_BYTES) throw new TimestampFault('timestamp/too-large', 'The token is too large.');
  return readingDer(() => {
    const contentInfo = openDer(readDer(der, TAG.sequence));
    expectOid(contentInfo, CMS.signedData, 'The token is not signed data.');
    const signedData = openDer(readDer(contentInfo.next(contextTag(0, 'constructed')).content, TAG.sequence));
    contentInfo.end();

    if (readSmallInteger(signedData.next(TAG.integer)) !== 3) throw malformed('The token has an unknown version.');
    const hashes = readElements(signedData.next(TAG.set), TAG.sequence).map(readHash);
    const content = readContent(signedData.next(TAG.sequence));
    const certificates = signedData.optional(contextTag(0, 'constructed'));
    signedData.optional(contextTag(1, 'constructed'));
    const [signer, ...others] = readElements(signedData.next(TAG.set), TAG.sequence);
    signedData.end();
    if (!signer || others.length > 0) throw malformed('The token has not exactly one signer.');
    const signerInfo = readSignerInfo(signer);
    if (!hashes.includes(signerInfo.hash)) throw malformed('The digest of the signer is not announced.');

    return {
      info: parseTstInfo(content),
      content,
      certificates: certificates ? readCertificates(certificates) : [],
      signer: signerInfo,
    };
  });
}

function readContent(node: DerNode): Uint8Array {
  const cursor = openDer(node);
  expectOid(cursor, CMS.tstInfo, 'The token is not a time stamp.');
  const content = readDer(cursor.next(contextTag(0, 'constructed')).content, TAG.octetString).content;
  cursor.end();
  return content;
}

/** Plain certificates only; attribute certificates and other kinds are passed over. */
function readCertificates(node: DerNode): Uint8Array[] {
  return readElements(node).flatMap(({ tag, der }) => (tag === TAG.sequence ? [der] : []));
}

function readSignerInfo(node: DerNode): SignerInfo {
  const cursor = openDer(node);
  const version = readSmallInteger(cursor.next(TAG.integer));
  const id = readSignerId(cursor);
  if (version !== ('ski' in id ? 3 : 1)) throw malformed('The signer has an unknown version.');
  const hash = readHash(cursor.next(TAG.sequence));
  const attributesNode = cursor.next(contextTag(0, 'constructed'));
  const algorithm = readAlgorithm(cursor.next(TAG.sequence), hash);
  const signature = cursor.next(TAG.octetString).content;
  cursor.optional(contextTag(1, 'constructed'));
  cursor.end();
  return {
    id,
    hash,
    signedBytes: derRetag(TAG.set, attributesNode.der),
    attributes: readAttributes(attributesNode),
    algorithm,
    signature,
  };
}

function readSignerId(cursor: DerCursor): SignerId {
  const ski = cursor.optional(contextTag(0, 'primitive'));
  if (ski) return { ski: ski.content };
  const issuerAndSerial = openDer(cursor.next(TAG.sequence));
  const issuer = issuerAndSerial.next(TAG.sequence).der;
  const serialHex = readSerial(issuerAndSerial.next(TAG.integer));
  issuerAndSerial.end();
  return { issuer, serialHex };
}

function readAttributes(node: DerNode): Map<string, DerNode> {
  const attributes = new Map<string, DerNode>();
  for (const attribute of readElements(node, TAG.sequence)) {
    const cursor = openDer(attribute);
    const oid = readOid(cursor.next(TAG.oid));
    const [value, ...others] = readElements(cursor.next(TAG.set));
    cursor.end();
    if (!value || others.length > 0) throw malformed('A signed attribute has not exactly one value.');
    if (attributes.has(oid)) throw malformed('A signed attribute appears twice.');
    attributes.set(oid, value);
  }
  return attributes;
}

/** CMS also writes plain `rsaEncryption` and leaves the digest to the other field (RFC 3370 §3.2). */
function readAlgorithm(node: DerNode, hash: TimestampHash): SignatureAlgorithm {
  const { oid, algorithm } = readSignatureAlgorithm(node);
  if (algorithm) return algorithm;
  if (oid !== OID.rsaEncryption) throw malformed(`Signature algorithm ${oid} is not accepted.`);
  return ({ 'SHA-256': 'RS256', 'SHA-384': 'RS384', 'SHA-512': 'RS512' } as const)[hash];
}

function expectOid(cursor: DerCursor, oid: string, otherwise: string): void {
  if (readOid(cursor.next(TAG.oid)) !== oid) throw malformed(otherwise);
}
