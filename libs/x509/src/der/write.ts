import { compareBytes } from '@margo-trust/bytes';
import { X509Fault } from '../fault.ts';
import { TAG } from './tag.ts';

/** One value of a primitive type: identifier, minimal length, content. */
export function derPrimitive(tag: number, content: Uint8Array): Uint8Array {
  return derConstructed(tag, [content]);
}

/** One value whose content is `parts`, in order. Copies every byte once. */
export function derConstructed(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = headOctets(tag, length);
  const der = new Uint8Array(head.length + length);
  der.set(head);
  let offset = head.length;
  for (const part of parts) {
    der.set(part, offset);
    offset += part.length;
  }
  return der;
}

export function derSequence(...parts: readonly Uint8Array[]): Uint8Array {
  return derConstructed(TAG.sequence, parts);
}

/** SET OF: the elements in ascending order of their encodings (X.690 §11.6). */
export function derSetOf(parts: readonly Uint8Array[]): Uint8Array {
  return derConstructed(TAG.set, [...parts].sort(compareBytes));
}

/** `[number] EXPLICIT`. */
export function derExplicit(number: number, der: Uint8Array): Uint8Array {
  return derConstructed(0xa0 | number, [der]);
}

/** `[number] IMPLICIT`: the same value under another tag. Keeps the constructed bit. */
export function derImplicit(number: number, der: Uint8Array): Uint8Array {
  return derRetag(0x80 | ((der[0] ?? 0) & 0x20) | number, der);
}

export function derRetag(tag: number, der: Uint8Array): Uint8Array {
  const copy = der.slice();
  copy[0] = tag;
  return copy;
}

export function derBoolean(value: boolean): Uint8Array {
  return Uint8Array.of(TAG.boolean, 1, value ? 0xff : 0);
}

export function derNull(): Uint8Array {
  return Uint8Array.of(TAG.null, 0);
}

/** INTEGER of a non-negative number, or of unsigned big-endian octets such as a serial number. */
export function derInteger(value: bigint | number | Uint8Array): Uint8Array {
  return derPrimitive(TAG.integer, integerContent(value));
}

export function derEnumerated(value: number): Uint8Array {
  return derPrimitive(TAG.enumerated, integerContent(value));
}

export function derOctetString(content: Uint8Array): Uint8Array {
  return derPrimitive(TAG.octetString, content);
}

/** BIT STRING of whole octets. */
export function derBitString(bytes: Uint8Array): Uint8Array {
  return derConstructed(TAG.bitString, [Uint8Array.of(0), bytes]);
}

/** BIT STRING of a named bit list, without trailing zero bits (X.690 §11.2.2). */
export function derNamedBits(bits: readonly number[]): Uint8Array {
  const highest = Math.max(-1, ...bits);
  const octets = new Uint8Array(Math.ceil((highest + 1) / 8));
  for (const bit of bits) octets[bit >> 3] = (octets[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return derConstructed(TAG.bitString, [Uint8Array.of(highest < 0 ? 0 : 7 - (highest & 7)), octets]);
}

/** OBJECT IDENTIFIER from dotted decimal. The same bytes each time: not to be written to. */
export function derOid(dotted: string): Uint8Array {
  const known = encodedOids.get(dotted);
  if (known !== undefined) return known;
  const encoded = encodeOid(dotted);
  if (encodedOids.size < MOST_OIDS) encodedOids.set(dotted, encoded);
  return encoded;
}

/** Certificates consist of the same few dozen. */
const encodedOids = new Map<string, Uint8Array>();
const MOST_OIDS = 256;

function encodeOid(dotted: string): Uint8Array {
  if (!/^(?:[01]\.(?:\d|[123]\d)|2\.(?:0|[1-9]\d*))(?:\.(?:0|[1-9]\d*))*$/.test(dotted)) {
    throw new X509Fault('x509/invalid-spec', `Not an object identifier: ${dotted}.`);
  }
  const [top = 0n, second = 0n, ...rest] = dotted.split('.').map(BigInt);
  return derPrimitive(TAG.oid, Uint8Array.from([top * 40n + second, ...rest].flatMap(base128)));
}

function headOctets(tag: number, length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(tag, length);
  const octets = bigEndian(BigInt(length));
  return Uint8Array.of(tag, 0x80 | octets.length, ...octets);
}

function integerContent(value: bigint | number | Uint8Array): Uint8Array {
  const octets = value instanceof Uint8Array ? value : Uint8Array.from(bigEndian(BigInt(value)));
  let start = 0;
  while (start < octets.length - 1 && octets[start] === 0) start++;
  const magnitude = octets.subarray(start);
  if (magnitude.length > 0 && (magnitude[0] ?? 0) < 0x80) return magnitude;
  // A sign octet, or the one octet of zero.
  const signed = new Uint8Array(magnitude.length + 1);
  signed.set(magnitude, 1);
  return signed;
}

function bigEndian(value: bigint): number[] {
  if (value < 0n) throw new X509Fault('x509/invalid-spec', 'Negative integers are not written.');
  const octets: number[] = [];
  for (let rest = value; rest > 0n; rest >>= 8n) octets.unshift(Number(rest & 0xffn));
  return octets;
}

function base128(arc: bigint): number[] {
  const octets = [Number(arc & 0x7fn)];
  for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(0x80 | Number(rest & 0x7fn));
  return octets;
}
