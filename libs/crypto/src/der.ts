import { CryptoFault, type CryptoFaultCode } from './fault.ts';

/** Just enough DER (X.690 §10) for public keys and ECDSA signatures; certificates have a reader of their own. */
export const DER = { integer: 0x02, bitString: 0x03, null: 0x05, oid: 0x06, sequence: 0x30 } as const;

/** Walks elements one after another; anything that is not DER throws `code`. */
export class DerReader {
  private readonly bytes: Uint8Array;
  private readonly code: CryptoFaultCode;
  private offset = 0;

  constructor(bytes: Uint8Array, code: CryptoFaultCode) {
    this.bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.code = code;
  }

  /** The content of the next element, which must have this tag. */
  content(tag: number): Uint8Array {
    if (this.bytes[this.offset] !== tag) throw this.refused();
    const { length, start } = this.length(this.offset + 1);
    if (start + length > this.bytes.length) throw this.refused();
    this.offset = start + length;
    return this.bytes.slice(start, this.offset);
  }

  open(tag: number): DerReader {
    return new DerReader(this.content(tag), this.code);
  }

  /** The next element, a positive INTEGER in the fewest bytes: its magnitude, without the sign byte. */
  positiveInteger(): Uint8Array {
    const content = this.content(DER.integer);
    const [first, second = 0] = content;
    if (first === undefined || first >= 0x80) throw this.refused();
    if (first > 0) return content;
    if (second < 0x80) throw this.refused(); // zero, or a sign byte nobody needs
    return content.slice(1);
  }

  /** The next element, a BIT STRING of whole bytes. */
  wholeBytes(): Uint8Array {
    const content = this.content(DER.bitString);
    if (content[0] !== 0) throw this.refused();
    return content.slice(1);
  }

  isAtEnd(): boolean {
    return this.offset === this.bytes.length;
  }

  end(): void {
    if (!this.isAtEnd()) throw this.refused();
  }

  /** Short form, or long form of one or two bytes in the fewest bytes; nothing here is above 64 KiB. */
  private length(at: number): { length: number; start: number } {
    const [first = 0xff, second = 0, third = 0] = this.bytes.subarray(at, at + 3);
    if (first < 0x80) return { length: first, start: at + 1 };
    if (first === 0x81 && second >= 0x80) return { length: second, start: at + 2 };
    if (first === 0x82 && second > 0) return { length: (second << 8) | third, start: at + 3 };
    throw this.refused();
  }

  private refused(): CryptoFault {
    return new CryptoFault(
      this.code,
      this.code === 'crypto/bad-key' ? 'The public key is not DER.' : 'The signature is not DER.',
    );
  }
}

export function encodeDer(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const length = contents.reduce((sum, content) => sum + content.length, 0);
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  const out = new Uint8Array(1 + head.length + length);
  out.set([tag, ...head]);
  let offset = 1 + head.length;
  for (const content of contents) {
    out.set(content, offset);
    offset += content.length;
  }
  return out;
}

/** INTEGER of a positive magnitude without leading zeros. */
export function encodePositiveInteger(magnitude: Uint8Array): Uint8Array {
  const needsSign = (magnitude[0] ?? 0) >= 0x80;
  return needsSign ? encodeDer(DER.integer, Uint8Array.of(0), magnitude) : encodeDer(DER.integer, magnitude);
}
