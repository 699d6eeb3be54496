import { areEqualBytes, encodeBase64Url } from '@margo-trust/bytes';
import { CborFloat, CborTag, isCborMap, type CborMap, type CborValue } from '@margo-trust/cbor';
import { encodeCoseSign1, parseCoseSign1, prepareCheck, type CoseSign1 } from '@margo-trust/cose';
import { sha256, verifySignature, type PublicKey, type SignatureCheck } from '@margo-trust/crypto';
import { StatementFault } from './fault.ts';
import { isPlainText } from './text.ts';
import { CLAIM, LABEL, SHA_256, UNDERSTOOD } from './labels.ts';

/** A Signed Statement (RFC 9943 §6) as it was received. Nothing in it is trusted until its signature is. */
export interface Statement {
  /** The COSE_Sign1 as received. */
  readonly bytes: Uint8Array;
  readonly cose: CoseSign1;
  /** CWT `iss`: the URI of whoever speaks. */
  readonly issuer: string;
  /** CWT `sub`: what is spoken about. */
  readonly subject: string;
  /** CWT `iat`, the issuer's own claim of time. Never trusted time. */
  readonly issuedAt?: Date;
  /** COSE content type: what is said. */
  readonly contentType: string;
  /** SHA-256 of the signing certificate, when the issuer is known by certificate. */
  readonly x5t?: Uint8Array;
  /** Key identifier, when the issuer is known by key. */
  readonly kid?: Uint8Array;
  /** Certificates, leaf first, as they travel. The unprotected copy: whoever carried the statement may have changed it. */
  readonly chain: readonly Uint8Array[];
  /** COSE receipts (RFC 9942), unprotected. */
  readonly receipts: readonly Uint8Array[];
  /** RFC 3161 TimeStampToken over the signature bytes, unprotected. */
  readonly timestampToken?: Uint8Array;
  readonly payload: Uint8Array;
  /** The statement with an empty unprotected header: the form that a log registers (RFC 9943 §6). */
  readonly stripped: Uint8Array;
  /** SHA-256 of `stripped`: the log's entry and, in base64url, the EntryID. 32 bytes. */
  readonly entry: Uint8Array;
  readonly entryId: string;
}

const MAX_STATEMENT_BYTES = 1 << 20;
const MAX_CHAIN = 8;
const MAX_RECEIPTS = 32;

/**
 * Reads a Signed or Transparent Statement: tag 18, attached payload, protected CWT claims with `iss` and `sub`,
 * a content type, and a protected `x5t` or `kid` (RFC 9943 §6, signing profile). When a chain travels with `x5t`, its
 * first certificate must be the one that `x5t` names (RFC 9360 §2).
 *
 * It checks no signature: see {@link prepareStatementCheck}.
 */
export function parseStatement(bytes: Uint8Array, limits: { maxBytes?: number } = {}): Statement {
  const cose = parseCoseSign1(bytes, { maxBytes: limits.maxBytes ?? MAX_STATEMENT_BYTES });
  if (cose.payload === undefined) {
    throw new StatementFault(
      'statement/payload-missing',
      'The payload is detached; it must travel inside the statement.',
    );
  }
  const claims = readClaims(cose.protectedHeader);
  const x5t = readCertificateHash(cose.protectedHeader);
  const kid = readKid(cose.protectedHeader);
  if (!x5t && !kid) {
    throw new StatementFault(
      'statement/no-key-hint',
      'The protected header names neither a certificate (34) nor a key (4).',
    );
  }
  const chain = readChain(cose);
  const leaf = chain[0];
  if (x5t && leaf && !areEqualBytes(sha256(leaf), x5t)) {
    throw new StatementFault('statement/certificate-mismatch', 'The first certificate is not the one that x5t names.');
  }
  const timestampToken = readTimestampToken(cose.unprotectedHeader);
  const stripped = stripUnprotected(cose);
  const entry = sha256(stripped);
  return {
    bytes,
    cose,
    ...claims,
    contentType: readContentType(cose.protectedHeader),
    ...(x5t && { x5t }),
    ...(kid && { kid }),
    chain,
    receipts: readReceipts(cose.unprotectedHeader),
    ...(timestampToken && { timestampToken }),
    payload: cose.payload,
    stripped,
    entry,
    entryId: encodeBase64Url(entry),
  };
}

/** The statement's bytes with `{}` as unprotected header. Protected header, payload and signature stay byte for byte. */
export function stripUnprotected(cose: CoseSign1): Uint8Array {
  return encodeCoseSign1({ ...cose, unprotectedHeader: new Map() });
}

/**
 * The signature check that this statement needs, for a key that the caller has already tied to `issuer`. The two
 * Notary Project labels count as understood in `crit`; any other critical label is refused (RFC 9052 §3.1).
 */
export function prepareStatementCheck(statement: Statement, key: PublicKey): SignatureCheck {
  return prepareCheck(statement.cose, key, { understood: UNDERSTOOD });
}

/** Throws `crypto/bad-signature` unless `key` signed the statement. */
export function verifyStatementSignature(statement: Statement, key: PublicKey): void {
  verifySignature(prepareStatementCheck(statement, key));
}

function readClaims(header: CborMap): { issuer: string; subject: string; issuedAt?: Date } {
  const claims = header.get(LABEL.cwtClaims);
  if (!isCborMap(claims)) {
    throw new StatementFault('statement/no-claims', 'The protected header carries no CWT claims (label 15).');
  }
  const issuer = claims.get(CLAIM.issuer);
  if (typeof issuer !== 'string' || !/^[a-z][a-z0-9+.-]{0,31}:[\x21-\x7e]{1,2000}$/i.test(issuer)) {
    throw new StatementFault('statement/bad-issuer', 'The issuer (iss) must be a URI of at most 2,000 characters.');
  }
  const subject = claims.get(CLAIM.subject);
  if (typeof subject !== 'string' || !isPlainText(subject, 512)) {
    throw new StatementFault('statement/bad-subject', 'The subject (sub) must be a text of 1 to 512 characters.');
  }
  const issuedAt = readTime(claims.get(CLAIM.issuedAt));
  return { issuer, subject, ...(issuedAt && { issuedAt }) };
}

/** Seconds since 1970: plain (RFC 8392 §2), or under tag 1 as some issuers write it. */
export function readTime(value: CborValue): Date | undefined {
  if (value === undefined) return undefined;
  const bare = value instanceof CborTag && value.tag === 1 ? value.value : value;
  const seconds = bare instanceof CborFloat ? bare.value : bare;
  if (typeof seconds !== 'number' || !(seconds >= 0 && seconds < 253402300800)) {
    throw new StatementFault('statement/bad-time', 'A time must be seconds since 1970, before the year 10000.');
  }
  return new Date(Math.floor(seconds) * 1000);
}

function readContentType(header: CborMap): string {
  const contentType = header.get(LABEL.contentType);
  if (typeof contentType !== 'string' || !/^[\x21-\x7e][\x20-\x7e]{0,254}$/.test(contentType)) {
    throw new StatementFault('statement/no-content-type', 'The protected header must say the content type as text.');
  }
  return contentType;
}

function readCertificateHash(header: CborMap): Uint8Array | undefined {
  const value = header.get(LABEL.x5t);
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length !== 2 || value[0] !== SHA_256 || !isBytes(value[1], 32)) {
    throw new StatementFault('statement/bad-certificate-hash', 'x5t must be [-16, SHA-256 of the certificate].');
  }
  return value[1];
}

function readKid(header: CborMap): Uint8Array | undefined {
  const value = header.get(LABEL.kid);
  return value instanceof Uint8Array ? value : undefined;
}

/** RFC 9360 §2: one certificate as a byte string, or an array of them; here in either header. */
function readChain(cose: CoseSign1): Uint8Array[] {
  const value = cose.protectedHeader.get(LABEL.x5chain) ?? cose.unprotectedHeader.get(LABEL.x5chain);
  if (value === undefined) return [];
  const chain = Array.isArray(value) ? value : [value];
  if (chain.length === 0 || chain.length > MAX_CHAIN || !chain.every((der) => der instanceof Uint8Array)) {
    throw new StatementFault('statement/bad-chain', `x5chain must hold 1 to ${MAX_CHAIN} certificates.`);
  }
  return chain;
}

function readReceipts(header: CborMap): Uint8Array[] {
  const value = header.get(LABEL.receipts);
  if (value === undefined) return [];
  if (
    !Array.isArray(value) ||
    value.length === 0 ||
    value.length > MAX_RECEIPTS ||
    !value.every((r) => r instanceof Uint8Array)
  ) {
    throw new StatementFault('statement/bad-receipts', `Label 394 must hold 1 to ${MAX_RECEIPTS} receipts.`);
  }
  return value;
}

function readTimestampToken(header: CborMap): Uint8Array | undefined {
  const value = header.get(LABEL.timestampToken);
  if (value === undefined) return undefined;
  if (!(value instanceof Uint8Array)) {
    throw new StatementFault('statement/bad-timestamp-token', 'The time-stamp token must be a byte string.');
  }
  return value;
}

function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}
