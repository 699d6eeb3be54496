import { BytesFault, encodeHex, parseUtf8 } from '@margo-trust/bytes';
import { encodeCbor } from './encode.ts';
import { CborFault } from './fault.ts';
import { CborFloat, CborTag, type CborMap, type CborValue } from './value.ts';

export interface CborLimits {
  /** Most arrays, maps and tags inside one another. Default 16. */
  readonly maxDepth?: number;
  /** Most data items in all, keys and tags included. Default 65 536. */
  readonly maxItems?: number;
}

/**
 * The one value that `bytes` hold, from a source that may be hostile.
 *
 * Stricter than well-formed (RFC 8949 §5.3): definite lengths and shortest heads only, valid UTF-8, no repeated map
 * key, no simple values but false, true, null and undefined, nothing after the value. Map keys may come in any order and
 * floats in any width, so encoding the result need not give the input back: keep the bytes that were signed.
 * Byte strings are copies.
 */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits = {}): CborValue {
  const input = new Input(bytes, limits.maxItems ?? 65_536);
  const value = read(input, limits.maxDepth ?? 16);
  if (!input.isAtEnd()) throw new CborFault('cbor/trailing-bytes', 'There are bytes after the CBOR value.');
  return value;
}

/** `depth` is how many more levels may open. */
function read(input: Input, depth: number): CborValue {
  const { major, info, argument } = input.head();
  switch (major) {
    case 0:
      return argument;
    case 1:
      return negative(argument);
    case 2:
      return input.take(argument);
    case 3:
      return text(input.part(argument));
    case 4:
      return readArray(input, argument, deeper(depth));
    case 5:
      return readMap(input, argument, deeper(depth));
    case 6:
      if (typeof argument === 'bigint') throw new CborFault('cbor/unsupported', 'A tag number is above 2^53 - 1.');
      return new CborTag(argument, read(input, deeper(depth)));
    default:
      return simpleOrFloat(info, argument);
  }
}

function negative(argument: number | bigint): number | bigint {
  return argument < Number.MAX_SAFE_INTEGER ? -1 - Number(argument) : -1n - BigInt(argument);
}

function text(bytes: Uint8Array): string {
  try {
    return parseUtf8(bytes);
  } catch (cause) {
    if (cause instanceof BytesFault) throw new CborFault('cbor/bad-text', 'A text string is not UTF-8.', { cause });
    throw cause;
  }
}

function readArray(input: Input, length: number | bigint, depth: number): CborValue[] {
  const items: CborValue[] = [];
  for (let i = 0; i < length; i++) items.push(read(input, depth));
  return items;
}

function readMap(input: Input, length: number | bigint, depth: number): CborMap {
  const map = new Map<CborValue, CborValue>();
  const seen = new Set<string>(); // keys that a Map would not know again
  for (let i = 0; i < length; i++) {
    const key = read(input, depth);
    const isPlain = typeof key === 'number' || typeof key === 'string';
    const identity = isPlain ? '' : encodeHex(encodeCbor(key));
    if (isPlain ? map.has(key) : seen.has(identity)) {
      throw new CborFault('cbor/duplicate-key', 'A map holds a key twice.');
    }
    if (!isPlain) seen.add(identity);
    map.set(key, read(input, depth));
  }
  return map;
}

function simpleOrFloat(info: number, argument: number | bigint): CborValue {
  switch (info) {
    case 20:
      return false;
    case 21:
      return true;
    case 22:
      return null;
    case 23:
      return undefined;
    case 25:
      return new CborFloat(decodeHalf(Number(argument)));
    case 26:
      return new CborFloat(floatOf(argument, 4));
    case 27:
      return new CborFloat(floatOf(argument, 8));
    default:
      throw new CborFault('cbor/unsupported', 'Only the simple values false, true, null and undefined are known.');
  }
}

/** IEEE 754 binary16. */
function decodeHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15));
}

function floatOf(bits: number | bigint, width: 4 | 8): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(bits));
  return width === 4 ? view.getFloat32(4) : view.getFloat64(0);
}

function deeper(depth: number): number {
  if (depth <= 0) throw new CborFault('cbor/too-deep', 'The CBOR value is nested too deeply.');
  return depth - 1;
}

interface Head {
  readonly major: number;
  /** The low five bits of the first byte. */
  readonly info: number;
  /** bigint only above 2^53 − 1. */
  readonly argument: number | bigint;
}

class Input {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private offset = 0;
  private itemsLeft: number;

  constructor(bytes: Uint8Array, maxItems: number) {
    // A plain view: `slice` of a Buffer would share memory with it.
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.itemsLeft = maxItems;
  }

  isAtEnd(): boolean {
    return this.offset === this.bytes.length;
  }

  /** Begins an item: its first byte and argument (RFC 8949 §3). */
  head(): Head {
    if (this.itemsLeft-- <= 0) throw new CborFault('cbor/too-many-items', 'The CBOR value has too many items.');
    const first = this.view.getUint8(this.advance(1));
    const major = first >> 5;
    const info = first & 31;
    if (info < 24) return { major, info, argument: info };
    if (info === 31) throw new CborFault('cbor/indefinite-length', 'Indefinite lengths are not accepted.');
    if (info > 27) throw new CborFault('cbor/unsupported', 'A reserved head is used.');

    const argument = this.argument(info);
    // Below these a shorter head would have done. A float's width is not a length and is left alone.
    if (major !== 7 && argument < (SMALLEST[info - 24] ?? 0)) {
      throw new CborFault('cbor/not-minimal', 'An integer or length is not in its shortest form.');
    }
    return { major, info, argument };
  }

  /** A copy of the next bytes. */
  take(length: number | bigint): Uint8Array {
    const start = this.advance(length);
    return this.bytes.slice(start, this.offset);
  }

  /** The next bytes themselves, for whoever keeps nothing of them. */
  part(length: number | bigint): Uint8Array {
    const start = this.advance(length);
    return this.bytes.subarray(start, this.offset);
  }

  private argument(info: number): number | bigint {
    const at = this.advance(1 << (info - 24));
    if (info === 24) return this.view.getUint8(at);
    if (info === 25) return this.view.getUint16(at);
    if (info === 26) return this.view.getUint32(at);
    const wide = this.view.getBigUint64(at);
    return wide <= Number.MAX_SAFE_INTEGER ? Number(wide) : wide;
  }

  /** Where the next `length` bytes begin; moves past them. */
  private advance(length: number | bigint): number {
    const start = this.offset;
    if (length > this.bytes.length - start) throw new CborFault('cbor/truncated', 'The CBOR value is cut off.');
    this.offset = start + Number(length);
    return start;
  }
}

/** By width of the argument, one to eight bytes. */
const SMALLEST = [24, 0x100, 0x10000, 0x1_0000_0000];
