import { CborFloat, CborTag, encodeCbor, isCborMap, type CborMap, type CborValue } from '@margo-trust/cbor';
import { coseAlgorithmId, toBeSigned } from '@margo-trust/cose';
import type { SignatureAlgorithm } from '@margo-trust/crypto';
import type { Hash } from '@margo-trust/merkle';
import { ReceiptFault } from './fault.ts';
import { ALG, CHECKPOINT, CWT_CLAIMS, IAT, ISS, KID, RECEIPT_SUBJECT, RFC9162_SHA256, SUB, VDS } from './labels.ts';

/** What the protected header says. Third parties may say less than we do; RFC 9942 asks only for `alg` and `vds`. */
export interface ReceiptHead {
  readonly kid?: Uint8Array;
  readonly issuer?: string;
  readonly subject?: string;
  /** To the second. */
  readonly issuedAt?: Date;
  /** The log, and its tree size at which the proof holds. */
  readonly origin?: string;
  readonly signedSize?: bigint;
}

/** What all receipts of one checkpoint have in common. */
export interface ReceiptProtectedSpec {
  readonly kid: Uint8Array;
  readonly issuer: string;
  /** Written to the second. */
  readonly issuedAt: Date;
  readonly origin: string;
  readonly size: bigint;
  readonly algorithm: SignatureAlgorithm;
}

/** The protected header of the receipts of one checkpoint: encode it once, sign once, use it for all entries. */
export function encodeReceiptProtected(spec: ReceiptProtectedSpec): Uint8Array {
  const claims = new Map<CborValue, CborValue>([
    [ISS, spec.issuer],
    [SUB, RECEIPT_SUBJECT],
    [IAT, Math.floor(spec.issuedAt.getTime() / 1000)],
  ]);
  return encodeCbor(
    new Map<CborValue, CborValue>([
      [ALG, coseAlgorithmId(spec.algorithm)],
      [KID, spec.kid],
      [CWT_CLAIMS, claims],
      [VDS, RFC9162_SHA256],
      [CHECKPOINT, [spec.origin, spec.size]],
    ]),
  );
}

/** The bytes that the log signs: the detached payload is the tree root (RFC 9942 §5.2.1). */
export function receiptToBeSigned(protectedBytes: Uint8Array, root: Hash): Uint8Array {
  return toBeSigned(protectedBytes, root);
}

/** Reads a protected header; the data structure counts only from there (RFC 9942 §5.2.1). */
export function parseHead(header: CborMap): ReceiptHead {
  if (header.get(VDS) !== RFC9162_SHA256) {
    throw new ReceiptFault('receipt/unsupported-vds', 'Only receipts of RFC9162_SHA256 trees are supported.');
  }
  const kid = header.get(KID);
  if (kid !== undefined && !(kid instanceof Uint8Array)) throw malformed('The kid is not a byte string.');
  return { ...(kid ? { kid } : {}), ...parseClaims(header), ...parseCheckpointLabel(header) };
}

export function malformed(message: string): ReceiptFault {
  return new ReceiptFault('receipt/malformed', message);
}

function parseClaims(header: CborMap): Pick<ReceiptHead, 'issuer' | 'subject' | 'issuedAt'> {
  if (!header.has(CWT_CLAIMS)) return {};
  const claims = header.get(CWT_CLAIMS);
  if (!isCborMap(claims)) throw malformed('The CWT claims are not a map.');
  const [issuer, subject] = [claims.get(ISS), claims.get(SUB)];
  if (!isOptionalText(issuer) || !isOptionalText(subject)) throw malformed('The claims iss and sub must be text.');
  return {
    ...(issuer === undefined ? {} : { issuer }),
    ...(subject === undefined ? {} : { subject }),
    ...(claims.has(IAT) ? { issuedAt: parseTime(claims.get(IAT)) } : {}),
  };
}

/** NumericDate (RFC 8392 §2) says untagged seconds; seconds under tag 1 occur in the wild. */
function parseTime(claim: CborValue): Date {
  const value = claim instanceof CborTag && claim.tag === 1 ? claim.value : claim;
  const seconds = value instanceof CborFloat ? Math.floor(value.value) : value;
  if (typeof seconds !== 'number' || !(Math.abs(seconds) <= MAX_SECONDS)) throw malformed('The claim iat is no time.');
  return new Date(seconds * 1000);
}

function parseCheckpointLabel(header: CborMap): Pick<ReceiptHead, 'origin' | 'signedSize'> {
  if (!header.has(CHECKPOINT)) return {};
  const value = header.get(CHECKPOINT);
  if (!Array.isArray(value) || value.length !== 2) throw malformed(`${CHECKPOINT} must be [origin, tree size].`);
  const [origin, size] = value as readonly CborValue[];
  if (typeof origin !== 'string' || !isUnsigned(size)) throw malformed(`${CHECKPOINT} must be [origin, tree size].`);
  return { origin, signedSize: BigInt(size) };
}

function isOptionalText(value: CborValue): value is string | undefined {
  return value === undefined || typeof value === 'string';
}

export function isUnsigned(value: CborValue): value is number | bigint {
  return (typeof value === 'number' || typeof value === 'bigint') && value >= 0;
}

/** What a Date can hold. */
const MAX_SECONDS = 8.64e12;
