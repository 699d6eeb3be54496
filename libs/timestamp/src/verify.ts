import { areEqualBytes } from '@margo-trust/bytes';
import { verifySignature } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import {
  areEqualNames,
  contextTag,
  findExtension,
  OID,
  openDer,
  parseCertificate,
  parseName,
  readDer,
  readOid,
  readElements,
  readSerial,
  STRENGTH,
  TAG,
  verifyPath,
  type Certificate,
  type DerNode,
} from '@margo-trust/x509';
import { malformed, readingDer, TimestampFault } from './fault.ts';
import { digest, readHash } from './hash.ts';
import { CMS } from './oid.ts';
import { parseTimestampToken, type SignerId, type TimestampToken } from './token.ts';

export interface TimestampTrust {
  /** Ours: CAs believed for time stamping, and no others. */
  readonly anchors: readonly (Uint8Array | Certificate)[];
  /** Further certificates, for tokens that bring none along. */
  readonly intermediates?: readonly (Uint8Array | Certificate)[];
  /**
   * The caller's memory for many tokens under these same anchors: paths that were verified, by fingerprint of the
   * authority's certificate. Only validity in time is judged again.
   */
  readonly verifiedPaths?: Map<string, readonly Certificate[]>;
}

export interface VerifiedTimestamp {
  /** The message existed then, says the authority. */
  readonly genTime: Date;
  /** As the stamp says it, in seconds to either side. */
  readonly accuracySeconds?: number;
  /** The authority's certificate. */
  readonly tsa: Certificate;
  /** Object identifier. */
  readonly policy: string;
  readonly serial: bigint;
}

/**
 * Verifies that `token` is a stamp over `message`, made by an authority whose certificate leads to one of the anchors and
 * was valid at the time of the stamp (RFC 3161 §2.2, RFC 5816, RFC 5652 §5.6). Returns that time.
 *
 * What it does not prove: that the authority had not been revoked, nor that it is the one the caller meant if the anchors
 * vouch for several. The nonce is for who asked for the stamp to compare.
 */
export function verifyTimestampToken(token: Uint8Array, message: Uint8Array, trust: TimestampTrust): VerifiedTimestamp {
  const parsed = parseTimestampToken(token);
  const { info } = parsed;
  if (!areEqualBytes(digest(info.hash, message), info.imprint)) {
    throw new TimestampFault('timestamp/imprint-mismatch', 'The time stamp is for other data.');
  }
  const others = readableCertificates([...parsed.certificates, ...(trust.intermediates ?? [])]);
  const tsa = others.find((certificate) => isSigner(certificate, parsed.signer.id));
  if (!tsa) throw untrusted('The certificate of the time-stamping authority is missing.');

  verifyAttributes(parsed, tsa);
  verifyTokenSignature(parsed, tsa);
  verifyAuthority(tsa, others, info.genTime, trust);
  const { genTime, accuracySeconds, policy, serial } = info;
  return { genTime, tsa, policy, serial, ...(accuracySeconds !== undefined && { accuracySeconds }) };
}

/** The signed attributes tie the signature to the content and to the one certificate it was made with. */
function verifyAttributes({ content, signer }: TimestampToken, tsa: Certificate): void {
  const value = (oid: string): DerNode => {
    const node = signer.attributes.get(oid);
    if (!node) throw malformed(`Signed attribute ${oid} is missing.`);
    return node;
  };
  readingDer(() => {
    if (readOid(value(CMS.contentType)) !== CMS.tstInfo)
      throw malformed('The content type is not that of a time stamp.');
    const messageDigest = readDer(value(CMS.messageDigest).der, TAG.octetString).content;
    if (!areEqualBytes(messageDigest, digest(signer.hash, content))) {
      throw new TimestampFault('timestamp/bad-signature', 'The signed digest is not that of the content.');
    }
    verifySigningCertificate(value(CMS.signingCertificateV2), tsa);
  });
}

/** SigningCertificateV2 (RFC 5035 §3): the first entry is the signer's. */
function verifySigningCertificate(node: DerNode, tsa: Certificate): void {
  const signingCertificate = openDer(node);
  const [first] = readElements(signingCertificate.next(TAG.sequence), TAG.sequence);
  signingCertificate.optional(TAG.sequence);
  signingCertificate.end();
  if (!first) throw malformed('The signing certificate is not named.');

  const cursor = openDer(first);
  const algorithm = cursor.optional(TAG.sequence);
  const hash = algorithm ? readHash(algorithm) : 'SHA-256';
  const certificateHash = cursor.next(TAG.octetString).content;
  const issuerSerial = cursor.optional(TAG.sequence);
  cursor.end();
  const isSame =
    areEqualBytes(certificateHash, digest(hash, tsa.der)) && (!issuerSerial || isIssuerSerialOf(issuerSerial, tsa));
  if (!isSame) throw new TimestampFault('timestamp/bad-signature', 'The stamp was signed for another certificate.');
}

function isIssuerSerialOf(node: DerNode, tsa: Certificate): boolean {
  const cursor = openDer(node);
  const [name] = readElements(cursor.next(TAG.sequence), contextTag(4, 'constructed'));
  const serialHex = readSerial(cursor.next(TAG.integer));
  cursor.end();
  return name !== undefined && areEqualNames(parseName(name.content), tsa.issuer) && serialHex === tsa.serialHex;
}

function verifyTokenSignature({ signer }: TimestampToken, tsa: Certificate): void {
  const { algorithm, signature, signedBytes: data } = signer;
  try {
    verifySignature({ algorithm, key: tsa.publicKey, data, signature, encoding: 'der' });
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new TimestampFault('timestamp/bad-signature', 'The signature of the time stamp does not verify.', { cause });
  }
}

function verifyAuthority(
  tsa: Certificate,
  others: readonly Certificate[],
  genTime: Date,
  { anchors, verifiedPaths }: TimestampTrust,
): void {
  // RFC 3161 §2.3: critical, and no other purpose beside it.
  const isCritical = findExtension(tsa.extensions, OID.extendedKeyUsage)?.critical;
  if (!isCritical || tsa.extendedKeyUsage?.join() !== OID.timeStamping) {
    throw untrusted('The certificate is not for time stamping alone.');
  }
  const known = verifiedPaths?.get(tsa.fingerprint);
  if (known?.every(({ notBefore, notAfter }) => notBefore <= genTime && genTime <= notAfter)) return;
  try {
    const { path } = verifyPath({
      ...{ leaf: tsa, intermediates: others, anchors, at: genTime },
      eku: OID.timeStamping,
      strength: STRENGTH.timestamping,
    });
    if (verifiedPaths && verifiedPaths.size < MAX_REMEMBERED) verifiedPaths.set(tsa.fingerprint, path);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new TimestampFault('timestamp/untrusted', `The time-stamping authority: ${cause.message}`, { cause });
  }
}

/** A registry has a handful of authorities; what a peer makes up must not fill the memory. */
const MAX_REMEMBERED = 64;

function isSigner(certificate: Certificate, id: SignerId): boolean {
  if ('ski' in id) return certificate.ski !== undefined && areEqualBytes(certificate.ski, id.ski);
  // Byte for byte: the signer copies the name, and the field is not signed.
  return certificate.serialHex === id.serialHex && areEqualBytes(certificate.issuer.der, id.issuer);
}

/** The token's certificates are the peer's: what can't be read is no use and no harm. */
function readableCertificates(inputs: readonly (Uint8Array | Certificate)[]): Certificate[] {
  if (inputs.length > 64) throw untrusted('The time stamp brings too many certificates.');
  return inputs.flatMap((input) => {
    if (!(input instanceof Uint8Array)) return [input];
    try {
      return [parseCertificate(input)];
    } catch (error) {
      if (error instanceof Fault) return [];
      throw error;
    }
  });
}

function untrusted(message: string): TimestampFault {
  return new TimestampFault('timestamp/untrusted', message);
}
