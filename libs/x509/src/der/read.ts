import { X509Fault } from '../fault.ts';
import { TAG } from './tag.ts';

/** One DER value. All three arrays are views of the input. */
export interface DerNode {
  /** The identifier octet: class, constructed bit and tag number together. */
  readonly tag: number;
  readonly content: Uint8Array;
  /** Identifier, length and content: what is hashed or signed. */
  readonly der: Uint8Array;
}

/**
 * Reads the one DER value that fills `bytes` (X.690 §10): definite and minimal length, nothing after it.
 * Only the outermost value is looked at; its content may still be malformed.
 */
export function readDer(bytes: Uint8Array, tag?: number): DerNode {
  const cursor = new DerCursor(bytes);
  const node = tag === undefined ? cursor.nextAny() : cursor.next(tag);
  cursor.end();
  return node;
}

/** A cursor over the elements of `node`, which must be constructed. */
export function openDer(node: DerNode): DerCursor {
  if ((node.tag & 0x20) === 0) throw malformed('A constructed value was expected.');
  return new DerCursor(node.content);
}

/** The elements of a SEQUENCE OF or SET OF, each with the tag `tag` if given. */
export function readElements(node: DerNode, tag?: number): DerNode[] {
  const cursor = openDer(node);
  const elements: DerNode[] = [];
  while (!cursor.isAtEnd()) elements.push(tag === undefined ? cursor.nextAny() : cursor.next(tag));
  return elements;
}

/**
 * Walks over concatenated DER values.
 *
 * Reading is flat: it costs time in proportion to the bytes passed over and never recurses, so hostile nesting costs a
 * caller no more than the levels it chooses to open.
 */
export class DerCursor {
  private readonly bytes: Uint8Array;
  private offset = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  isAtEnd(): boolean {
    return this.offset === this.bytes.length;
  }

  /** The identifier octet that comes next, undefined at the end. */
  peek(): number | undefined {
    return this.bytes[this.offset];
  }

  next(tag: number): DerNode {
    if (this.peek() !== tag) throw malformed(`Expected tag ${hexByte(tag)}, found ${hexByte(this.peek())}.`);
    return this.nextAny();
  }

  /** The next value if it has this tag. */
  optional(tag: number): DerNode | undefined {
    return this.peek() === tag ? this.nextAny() : undefined;
  }

  nextAny(): DerNode {
    const { bytes, offset: start } = this;
    const tag = this.octet();
    // Tag numbers above 30 appear in none of the structures read here.
    if ((tag & 0x1f) === 0x1f) throw malformed('Tag numbers above 30 are not supported.');
    const length = this.length();
    const contentStart = this.offset;
    if (length > bytes.length - contentStart) throw malformed('A value ends after the input.');
    this.offset = contentStart + length;
    return {
      tag,
      content: bytes.subarray(contentStart, this.offset),
      der: bytes.subarray(start, this.offset),
    };
  }

  end(): void {
    if (!this.isAtEnd()) throw malformed('Unexpected bytes after a value.');
  }

  private length(): number {
    const first = this.octet();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw malformed('A length is indefinite or too long.');
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.octet();
    if (length < 0x80 || length < 256 ** (count - 1)) throw malformed('A length is not minimal.');
    return length;
  }

  private octet(): number {
    const octet = this.bytes[this.offset];
    if (octet === undefined) throw malformed('The input ends inside a value.');
    this.offset++;
    return octet;
  }
}

/** Content octets of an INTEGER: two's complement, minimal, not empty (X.690 §8.3.2). */
export function readIntegerBytes(node: DerNode): Uint8Array {
  const [first, second] = node.content;
  if (node.tag !== TAG.integer && node.tag !== TAG.enumerated) throw malformed('An INTEGER was expected.');
  if (first === undefined) throw malformed('An INTEGER is empty.');
  if (second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))) {
    throw malformed('An INTEGER is not minimal.');
  }
  return node.content;
}

/** A non-negative INTEGER of at most 64 octets. */
export function readUnsigned(node: DerNode): bigint {
  const bytes = readIntegerBytes(node);
  if (bytes.length > 64 || (bytes[0] ?? 0) >= 0x80) throw malformed('An INTEGER is negative or too large.');
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

/** A non-negative INTEGER below 2^31. */
export function readSmallInteger(node: DerNode): number {
  const value = readUnsigned(node);
  if (value > 0x7fffffffn) throw malformed('An INTEGER is too large.');
  return Number(value);
}

export function readBoolean(node: DerNode): boolean {
  const [value] = node.content;
  if (node.tag !== TAG.boolean || node.content.length !== 1 || (value !== 0 && value !== 0xff)) {
    throw malformed('A BOOLEAN is not 00 or FF.');
  }
  return value === 0xff;
}

/** A `BOOLEAN DEFAULT FALSE` that comes next, if any. DER never writes out a default (X.690 §11.5). */
export function readDefaultFalse(cursor: DerCursor, tag: number = TAG.boolean): boolean {
  const node = cursor.optional(tag);
  if (!node) return false;
  if (!readBoolean({ ...node, tag: TAG.boolean })) throw malformed('A default value is written out.');
  return true;
}

/** The octets of a BIT STRING that has no unused bits, as keys and signatures have none. */
export function readBitStringBytes(node: DerNode): Uint8Array {
  if (node.tag !== TAG.bitString || node.content[0] !== 0)
    throw malformed('A BIT STRING of whole octets was expected.');
  return node.content.subarray(1);
}

/** Numbers of the bits set in a named bit list; trailing zero bits are refused (X.690 §11.2.2). */
export function readNamedBits(node: DerNode): ReadonlySet<number> {
  const [unused, ...octets] = node.content;
  const last = octets.at(-1);
  if (unused === undefined || unused > 7 || octets.length > 8) throw malformed('A BIT STRING is malformed.');
  if (last === undefined ? unused !== 0 : (last >> unused) % 2 !== 1 || last % (1 << unused) !== 0) {
    throw malformed('A named bit list is not minimal.');
  }
  const bits = new Set<number>();
  octets.forEach((octet, i) => {
    for (let bit = 0; bit < 8; bit++) if (octet & (0x80 >> bit)) bits.add(i * 8 + bit);
  });
  return bits;
}

/** Dotted decimal. At most 63 octets: longer ones exist only to make readers slow. */
export function readOid({ tag, content }: DerNode): string {
  if (tag !== TAG.oid || content.length === 0 || content.length > 63) {
    throw malformed('An OBJECT IDENTIFIER is malformed.');
  }
  let dotted = '';
  let start = 0;
  for (let i = 0; i < content.length; i++) {
    const octet = content[i] ?? 0;
    if (i === start && octet === 0x80) throw malformed('An OBJECT IDENTIFIER is not minimal.');
    if (octet >= 0x80) continue;
    const arc = readArc(content, start, i);
    dotted += start === 0 ? firstArcs(arc) : `.${arc}`;
    start = i + 1;
  }
  if (start !== content.length) throw malformed('An OBJECT IDENTIFIER ends early.');
  return dotted;
}

/** Seven bits an octet: a number up to seven octets, and beyond them, as in UUIDs, a bigint. */
function readArc(content: Uint8Array, start: number, last: number): number | bigint {
  let arc = 0;
  if (last - start < 7) {
    for (let i = start; i <= last; i++) arc = arc * 128 + ((content[i] ?? 0) & 0x7f);
    return arc;
  }
  let large = 0n;
  for (let i = start; i <= last; i++) large = (large << 7n) | BigInt((content[i] ?? 0) & 0x7f);
  return large;
}

/** X.690 §8.19.4: the first two arcs share a number; the first is 2 when there is no room for another. */
function firstArcs(joint: number | bigint): string {
  if (joint < 40) return `0.${joint}`;
  if (joint < 80) return `1.${Number(joint) - 40}`;
  return `2.${typeof joint === 'bigint' ? joint - 80n : joint - 80}`;
}

export function malformed(message: string): X509Fault {
  return new X509Fault('x509/malformed', message);
}

function hexByte(value: number | undefined): string {
  return value === undefined ? 'nothing' : `0x${value.toString(16).padStart(2, '0')}`;
}
