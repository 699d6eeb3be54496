import type { Hash } from '@margo-trust/merkle';
import { ReceiptFault } from './fault.ts';
import { malformed } from './head.ts';
import { CONSISTENCY, INCLUSION } from './labels.ts';

/** What one checkpoint signed, and what only this receipt has. */
export interface ReceiptParts {
  /** As {@link encodeReceiptProtected} made them. */
  readonly protectedBytes: Uint8Array;
  /** Over {@link receiptToBeSigned}; ECDSA as r ‖ s. */
  readonly signature: Uint8Array;
  readonly path: readonly Hash[];
}

/**
 * The receipt of one entry (RFC 9942 §5.2.1). Nothing is checked against the root: sign what you committed.
 *
 * A tree of one leaf has an empty path, which a receipt cannot express: `receipt/empty-path`.
 */
export function encodeReceipt(parts: ReceiptParts & { readonly size: bigint; readonly index: bigint }): Uint8Array {
  return assemble(INCLUSION, parts, parts.size, parts.index);
}

/** The receipt of consistency between two trees of different size (RFC 9942 §5.3.1), its payload detached. */
export function encodeConsistencyReceipt(
  parts: ReceiptParts & { readonly size1: bigint; readonly size2: bigint },
): Uint8Array {
  return assemble(CONSISTENCY, parts, parts.size1, parts.size2);
}

/**
 * Writes the COSE_Sign1 in one pass into one buffer, because this runs once for each registration:
 * `18([protected, {396: {kind: [<<[first, second, path]>>]}}, nil, signature])`, deterministic (RFC 8949 §4.2.1).
 */
function assemble(kind: number, { protectedBytes, signature, path }: ReceiptParts, first: bigint, second: bigint) {
  if (path.length === 0) throw new ReceiptFault('receipt/empty-path', 'A receipt cannot express an empty path.');
  if (first < 0n || second < 0n || first >= MAX || second >= MAX) throw malformed('Sizes have at most 64 bits.');

  const pathBytes = headBytes(path.length) + path.length * (2 + HASH_BYTES);
  const proofBytes = 1 + headBytes(first) + headBytes(second) + pathBytes;
  const wrapped = (length: number) => headBytes(length) + length;
  const total = 2 + wrapped(protectedBytes.length) + 7 + wrapped(proofBytes) + 1 + wrapped(signature.length);

  const out = new Uint8Array(total);
  let at = 0;
  const put = (bytes: ArrayLike<number>): void => {
    out.set(bytes, at);
    at += bytes.length;
  };
  const head = (major: number, argument: number | bigint): void => {
    at = writeHead(out, at, major, argument);
  };

  put([0xd2, 0x84]); // tag 18, array of four
  head(BYTES, protectedBytes.length);
  put(protectedBytes);
  put([0xa1, 0x19, 0x01, 0x8c, 0xa1, 0x1f - kind, 0x81]); // {396: {kind: [
  head(BYTES, proofBytes);
  put([0x83]);
  head(UNSIGNED, first);
  head(UNSIGNED, second);
  head(ARRAY, path.length);
  for (const hash of path) {
    if (hash.length !== HASH_BYTES) throw malformed('A path consists of hashes.');
    put([0x58, HASH_BYTES]);
    put(hash);
  }
  put([0xf6]); // detached payload
  head(BYTES, signature.length);
  put(signature);
  return out;
}

/** The width of a CBOR head (RFC 8949 §3). */
function headBytes(argument: number | bigint): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  if (argument < 0x10000) return 3;
  return argument < 0x1_0000_0000 ? 5 : 9;
}

/** Returns where the head ends. */
function writeHead(out: Uint8Array, at: number, major: number, argument: number | bigint): number {
  const width = headBytes(argument) - 1;
  if (width === 0) {
    out[at] = (major << 5) | Number(argument);
    return at + 1;
  }
  out[at] = (major << 5) | (24 + Math.log2(width));
  let rest = BigInt(argument);
  for (let i = width; i > 0; i--, rest >>= 8n) out[at + i] = Number(rest & 0xffn);
  return at + 1 + width;
}

const HASH_BYTES = 32;
const MAX = 1n << 64n;
const UNSIGNED = 0;
const BYTES = 2;
const ARRAY = 4;
