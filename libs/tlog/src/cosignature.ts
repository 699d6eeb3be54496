import { concatBytes, encodeUtf8 } from '@margo-trust/bytes';
import type { Hash } from '@margo-trust/merkle';
import { TlogFault } from './fault.ts';

/** The leaves from `start` (included) to `end` (excluded) of a log, and the Merkle tree hash over them. */
export interface Subtree {
  /** The log's name, 1 to 255 bytes of UTF-8. */
  origin: string;
  start: bigint;
  end: bigint;
  hash: Hash;
}

/** What an Ed25519 cosigner signs at `seconds` since the epoch (C2SP tlog-cosignature, "Ed25519 signed message"). */
export function cosignatureToBeSigned(text: string, seconds: bigint): Uint8Array {
  return encodeUtf8(`cosignature/v1\ntime ${seconds}\n${text}`);
}

/**
 * What an ML-DSA-44 cosigner signs (C2SP tlog-cosignature, "ML-DSA-44 signed message"); a checkpoint is the subtree from 0
 * to its size. With `seconds` of 0 nothing is said about the time, and must not be unless `start` is 0.
 *
 * Names longer than 255 bytes and impossible ranges: `tlog/bad-subtree`.
 */
export function subtreeToBeSigned(
  cosigner: string,
  seconds: bigint,
  { origin, start, end, hash }: Subtree,
): Uint8Array {
  if (start < 0n || end < start || end >= MAX || hash.length !== 32 || (start > 0n && seconds > 0n)) {
    throw refused('Not expressible as a cosigned subtree.');
  }
  return concatBytes(
    SUBTREE_LABEL,
    shortText(cosigner),
    unsigned64(seconds),
    shortText(origin),
    unsigned64(start),
    unsigned64(end),
    hash,
  );
}

/** The bytes that follow the key hash in a cosignature's line: the time in eight bytes, then the signature. */
export function encodeCosignature(seconds: bigint, signature: Uint8Array): Uint8Array {
  return concatBytes(unsigned64(seconds), signature);
}

/** Takes apart what {@link encodeCosignature} put together. The time is the cosigner's word, and 0 if it gave none. */
export function parseCosignature(bytes: Uint8Array): { seconds: bigint; signature: Uint8Array } {
  if (bytes.length <= TIME_BYTES) throw badTime();
  const seconds = new DataView(bytes.buffer, bytes.byteOffset, TIME_BYTES).getBigUint64(0);
  if (seconds >= MAX_TIME) throw badTime();
  return { seconds, signature: bytes.subarray(TIME_BYTES) };
}

function unsigned64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

/** `opaque text<1..2^8-1>` (RFC 8446 §3.4). */
function shortText(text: string): Uint8Array {
  const bytes = encodeUtf8(text);
  if (bytes.length === 0 || bytes.length > 255) throw refused('A name in a cosigned subtree has 1 to 255 bytes.');
  return concatBytes(Uint8Array.of(bytes.length), bytes);
}

function refused(message: string): TlogFault {
  return new TlogFault('tlog/bad-subtree', message);
}

function badTime(): TlogFault {
  return new TlogFault('tlog/bad-signature', 'A cosignature has no readable time.');
}

const SUBTREE_LABEL = encodeUtf8('subtree/v1\n\0');
const TIME_BYTES = 8;
const MAX = 1n << 64n;
const MAX_TIME = 1n << 63n;
