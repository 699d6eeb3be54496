import { compareBytes, encodeUtf8 } from '@margo-trust/bytes';
import { CborFloat, CborTag, isCborMap, type CborMap, type CborValue } from './value.ts';

/**
 * The deterministic encoding of a value (RFC 8949 §4.2.1): shortest heads and floats, definite lengths, map keys in the
 * bytewise order of their encodings.
 *
 * A number that is not a safe integer, an integer beyond 64 bits and a repeated map key are mistakes of the caller and
 * throw a RangeError. Text with half a surrogate pair throws `bytes/lone-surrogate`.
 */
export function encodeCbor(value: CborValue): Uint8Array {
  const out = spare ?? new Output();
  spare = undefined; // the keys of a map are encoded while their map is
  out.clear();
  write(out, value);
  const bytes = out.bytes();
  spare = out;
  return bytes;
}

function write(out: Output, value: CborValue): void {
  if (value === false) return out.byte(0xf4);
  if (value === true) return out.byte(0xf5);
  if (value === null) return out.byte(0xf6);
  if (value === undefined) return out.byte(0xf7);
  if (typeof value === 'number' || typeof value === 'bigint') return writeInteger(out, value);
  if (typeof value === 'string') {
    const text = encodeUtf8(value);
    out.head(TEXT, text.length);
    return out.append(text);
  }
  if (value instanceof Uint8Array) {
    out.head(BYTES, value.length);
    return out.append(value);
  }
  if (value instanceof CborTag) {
    out.head(TAG, value.tag);
    return write(out, value.value);
  }
  if (value instanceof CborFloat) return writeFloat(out, value.value);
  if (isCborMap(value)) return writeMap(out, value);
  out.head(ARRAY, value.length);
  for (const item of value) write(out, item);
}

function writeInteger(out: Output, value: number | bigint): void {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new RangeError('A number in CBOR must be a safe integer; wrap other numbers in CborFloat.');
  }
  if (value >= 0) out.head(UNSIGNED, value);
  else out.head(NEGATIVE, typeof value === 'number' ? -1 - value : -1n - value);
}

function writeMap(out: Output, map: CborMap): void {
  const entries = [...map].map(([key, value]) => ({ key: encodeCbor(key), value }));
  entries.sort((a, b) => compareBytes(a.key, b.key));
  out.head(MAP, entries.length);
  let previous: Uint8Array | undefined;
  for (const { key, value } of entries) {
    if (previous && compareBytes(previous, key) === 0) throw new RangeError('A CBOR map holds a key twice.');
    previous = key;
    out.append(key);
    write(out, value);
  }
}

/** The narrowest of half, single and double that keeps the value; every NaN becomes the quiet half-width one. */
function writeFloat(out: Output, value: number): void {
  const half = encodeHalf(value);
  const view = new DataView(new ArrayBuffer(9));
  let length = 9;
  if (half !== undefined) {
    view.setUint8(0, 0xf9);
    view.setUint16(1, half);
    length = 3;
  } else if (Math.fround(value) === value) {
    view.setUint8(0, 0xfa);
    view.setFloat32(1, value);
    length = 5;
  } else {
    view.setUint8(0, 0xfb);
    view.setFloat64(1, value);
  }
  out.append(new Uint8Array(view.buffer, 0, length));
}

/** IEEE 754 binary16 bits, or undefined if the value does not fit exactly. */
function encodeHalf(value: number): number | undefined {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude === Infinity) return sign | 0x7c00;
  if (magnitude > 65504) return undefined;
  if (magnitude < 2 ** -14) {
    const units = magnitude * 2 ** 24; // zero and subnormals count multiples of 2^-24
    return Number.isInteger(units) ? sign | units : undefined;
  }
  let exponent = Math.floor(Math.log2(magnitude));
  if (2 ** exponent > magnitude) exponent--; // log2 may round up just below a power of two
  const fraction = (magnitude / 2 ** exponent - 1) * 1024;
  return Number.isInteger(fraction) ? sign | ((exponent + 15) << 10) | fraction : undefined;
}

/** A growing buffer. */
class Output {
  private buffer = new Uint8Array(1024);
  private length = 0;

  /** Begins anew. What grew very large is not kept for the next one. */
  clear(): void {
    this.length = 0;
    if (this.buffer.length > MOST_KEPT) this.buffer = new Uint8Array(1024);
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Major type and argument in the shortest form (RFC 8949 §3). */
  head(major: number, argument: number | bigint): void {
    const type = major << 5;
    if (argument < 24) return this.byte(type | Number(argument));
    if (argument > 0xffff_ffff_ffff_ffffn) throw new RangeError('An integer in CBOR has 64 bits at most.');
    const size = argument < 0x100 ? 0 : argument < 0x10000 ? 1 : argument < 0x1_0000_0000 ? 2 : 3;
    this.byte(type | (24 + size));
    const width = 1 << size;
    this.reserve(width);
    let rest = BigInt(argument);
    for (let i = width - 1; i >= 0; i--) {
      this.buffer[this.length + i] = Number(rest & 0xffn);
      rest >>= 8n;
    }
    this.length += width;
  }

  bytes(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(this.buffer.length * 2, this.length + more));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }
}

/** The last one, to be used again: making a buffer costs more than filling it. */
let spare: Output | undefined;
const MOST_KEPT = 65_536;

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;
