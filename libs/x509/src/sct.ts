import { areEqualBytes, concatBytes } from '@margo-trust/bytes';
import { type PublicKey, sha256, verifySignature } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { malformed, openDer, readDer, readElements, readOid, type DerNode } from './der/read.ts';
import { contextTag, TAG } from './der/tag.ts';
import { derExplicit, derOctetString, derOid, derSequence } from './der/write.ts';
import { X509Fault } from './fault.ts';
import { findExtension } from './extension.ts';
import type { Certificate } from './model.ts';
import { OID } from './oid.ts';

/** A log's promise that it has logged a certificate: a signed certificate timestamp, version 1 (RFC 6962 §3.2). */
export interface Sct {
  /** SHA-256 of the log's SubjectPublicKeyInfo. */
  readonly logId: Uint8Array;
  /** Milliseconds count. */
  readonly time: Date;
  /** DER of the ECDSA signature, with SHA-256. */
  readonly signature: Uint8Array;
}

/** What a log promises to have logged: the certificate without SCTs, and the key of whoever issues it. */
export interface PrecertificateEntry {
  /** TBSCertificate in DER, without the SCT list. */
  readonly tbs: Uint8Array;
  /** SubjectPublicKeyInfo of the issuing CA. */
  readonly issuerSpki: Uint8Array;
  readonly time: Date;
}

/** The bytes that an SCT of a precertificate signs (RFC 6962 §3.2, `digitally-signed`), without extensions. */
export function sctToBeSigned({ tbs, issuerSpki, time }: PrecertificateEntry): Uint8Array {
  return concatBytes(
    Uint8Array.of(VERSION_1, CERTIFICATE_TIMESTAMP),
    bigEndian(time.getTime(), 8),
    bigEndian(PRECERT_ENTRY, 2),
    sha256(issuerSpki),
    withLength(tbs, 3),
    withLength(new Uint8Array(), 2),
  );
}

/**
 * A TBSCertificate with an SCT list as its last extension (RFC 6962 §3.3). `tbs` has none yet; every other byte stays, so
 * that {@link removeScts} gives back what the log has seen.
 */
export function embedScts(tbs: Uint8Array, scts: readonly Sct[]): Uint8Array {
  if (scts.length === 0) throw new X509Fault('x509/invalid-spec', 'A list of SCTs is never empty.');
  const { fields, extensions } = splitTbs(tbs);
  if (extensions.some(isSctList)) throw new X509Fault('x509/invalid-spec', 'The certificate has SCTs already.');
  const list = withLength(concatBytes(...scts.map((sct) => withLength(encodeSct(sct), 2))), 2);
  const extension = derSequence(derOid(OID.sctList), derOctetString(derOctetString(list)));
  return joinTbs(fields, [...extensions.map(({ der }) => der), extension]);
}

/** A TBSCertificate without its SCT list: what an SCT was given for (RFC 6962 §3.2). */
export function removeScts(tbs: Uint8Array): Uint8Array {
  const { fields, extensions } = splitTbs(tbs);
  return joinTbs(
    fields,
    extensions.filter((extension) => !isSctList(extension)).map(({ der }) => der),
  );
}

/** The SCTs embedded in a certificate, none when it has no list. Those of other versions are passed over. */
export function readScts({ extensions }: Certificate): Sct[] {
  const extension = findExtension(extensions, OID.sctList);
  if (!extension) return [];
  const whole = new Reader(readDer(extension.value, TAG.octetString).content);
  const list = new Reader(whole.vector(2));
  whole.end();
  const scts: Sct[] = [];
  while (!list.isAtEnd()) {
    const serialized = list.vector(2);
    if (serialized[0] === VERSION_1) scts.push(parseSct(serialized));
  }
  return scts;
}

/**
 * Returns the certificate's SCT by the log with this key, once its signature is verified; `x509/no-sct` when there is none
 * or it does not verify.
 *
 * It proves that the log has promised to hold the certificate, not that it does: ask for an inclusion proof for that.
 */
export function verifySct(certificate: Certificate, issuerSpki: Uint8Array, log: PublicKey): Sct {
  const logId = sha256(log.spki);
  const sct = readScts(certificate).find((candidate) => areEqualBytes(candidate.logId, logId));
  if (!sct) throw new X509Fault('x509/no-sct', 'The certificate has no SCT of this log.');
  const data = sctToBeSigned({ tbs: removeScts(certificate.tbs), issuerSpki, time: sct.time });
  try {
    verifySignature({ algorithm: 'ES256', key: log, data, signature: sct.signature, encoding: 'der' });
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new X509Fault('x509/no-sct', 'The SCT in the certificate is not this log’s.', { cause });
  }
  return sct;
}

function encodeSct({ logId, time, signature }: Sct): Uint8Array {
  if (logId.length !== 32) throw new X509Fault('x509/invalid-spec', 'The id of a log has 32 octets.');
  return concatBytes(
    Uint8Array.of(VERSION_1),
    logId,
    bigEndian(time.getTime(), 8),
    withLength(new Uint8Array(), 2),
    Uint8Array.of(HASH_SHA256, SIGNATURE_ECDSA),
    withLength(signature, 2),
  );
}

/** Extensions and other algorithms do not occur: version 1 defines no extension, and logs sign with P-256 here. */
function parseSct(bytes: Uint8Array): Sct {
  const reader = new Reader(bytes);
  reader.take(1);
  const logId = reader.take(32);
  const time = new Date(Number(reader.number(8)));
  const extensions = reader.vector(2);
  const [hash, kind] = reader.take(2);
  const signature = reader.vector(2);
  reader.end();
  if (extensions.length > 0 || hash !== HASH_SHA256 || kind !== SIGNATURE_ECDSA || Number.isNaN(time.getTime())) {
    throw malformed('An SCT has another form than ECDSA with SHA-256 and no extensions.');
  }
  return { logId, time, signature };
}

/** The fields of a TBSCertificate before its extensions, and those. */
function splitTbs(tbs: Uint8Array): { fields: Uint8Array[]; extensions: DerNode[] } {
  const elements = readElements(readDer(tbs, TAG.sequence));
  const wrapped = elements.pop();
  if (wrapped?.tag !== contextTag(3, 'constructed')) throw malformed('The certificate has no extensions.');
  const extensions = readElements(readDer(wrapped.content, TAG.sequence), TAG.sequence);
  return { fields: elements.map(({ der }) => der), extensions };
}

function joinTbs(fields: readonly Uint8Array[], extensions: readonly Uint8Array[]): Uint8Array {
  return derSequence(...fields, derExplicit(3, derSequence(...extensions)));
}

function isSctList(extension: DerNode): boolean {
  return readOid(openDer(extension).next(TAG.oid)) === OID.sctList;
}

/** TLS presentation language (RFC 8446 §3): numbers, and vectors after their length. */
class Reader {
  private readonly bytes: Uint8Array;
  private offset = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  take(count: number): Uint8Array {
    if (count > this.bytes.length - this.offset) throw malformed('An SCT ends early.');
    this.offset += count;
    return this.bytes.slice(this.offset - count, this.offset);
  }

  number(width: number): bigint {
    return this.take(width).reduce((value, octet) => (value << 8n) | BigInt(octet), 0n);
  }

  vector(width: number): Uint8Array {
    return this.take(Number(this.number(width)));
  }

  isAtEnd(): boolean {
    return this.offset === this.bytes.length;
  }

  end(): void {
    if (!this.isAtEnd()) throw malformed('There is something after the SCTs.');
  }
}

function withLength(bytes: Uint8Array, width: number): Uint8Array {
  if (bytes.length >= 256 ** width) throw new X509Fault('x509/invalid-spec', 'Too long for an SCT.');
  return concatBytes(bigEndian(bytes.length, width), bytes);
}

function bigEndian(value: number, width: number): Uint8Array {
  const octets = new Uint8Array(width);
  for (let rest = BigInt(value), i = width - 1; i >= 0; i--, rest >>= 8n) octets[i] = Number(rest & 0xffn);
  return octets;
}

const VERSION_1 = 0;
const CERTIFICATE_TIMESTAMP = 0;
const PRECERT_ENTRY = 1;
const HASH_SHA256 = 4;
const SIGNATURE_ECDSA = 3;
