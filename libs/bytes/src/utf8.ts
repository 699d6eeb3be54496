import { BytesFault } from './fault.ts';

/** UTF-8 (RFC 3629). A string with half a surrogate pair has no UTF-8 form and is refused. */
export function encodeUtf8(text: string): Uint8Array {
  return encodeAscii(text) ?? encodeAny(text);
}

function encodeAny(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3); // a code unit takes three bytes at most
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i) ?? 0;
    if (point < 0x80) {
      bytes[length++] = point;
      continue;
    }
    if (point < 0x800) {
      bytes[length++] = 0xc0 | (point >> 6);
    } else {
      if (point < 0x10000) {
        if (isSurrogate(point)) throw new BytesFault('bytes/lone-surrogate', 'The text holds half a surrogate pair.');
        bytes[length++] = 0xe0 | (point >> 12);
      } else {
        i++; // the second unit of the pair
        bytes[length++] = 0xf0 | (point >> 18);
        bytes[length++] = 0x80 | ((point >> 12) & 0x3f);
      }
      bytes[length++] = 0x80 | ((point >> 6) & 0x3f);
    }
    bytes[length++] = 0x80 | (point & 0x3f);
  }
  return bytes.slice(0, length);
}

/**
 * The text of UTF-8 bytes (RFC 3629): overlong forms, surrogates, values above U+10FFFF and cut sequences are refused.
 * A byte order mark is kept as the character it is.
 */
export function parseUtf8(bytes: Uint8Array): string {
  return parseAscii(bytes) ?? parseAny(bytes);
}

function parseAny(bytes: Uint8Array): string {
  let text = '';
  let units: number[] = [];
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i++] ?? 0;
    if (lead < 0x80) {
      units.push(lead);
    } else {
      const trailing = lead < 0xc2 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : 0;
      let point = lead & (0x3f >> trailing);
      for (let left = trailing; left > 0; left--) {
        const byte = bytes[i++] ?? 0;
        if ((byte & 0xc0) !== 0x80) throw refused();
        point = (point << 6) | (byte & 0x3f);
      }
      if (trailing === 0 || point < (SMALLEST[trailing] ?? 0) || point > 0x10ffff || isSurrogate(point))
        throw refused();
      if (point < 0x10000) units.push(point);
      else units.push(0xd7c0 + (point >> 10), 0xdc00 | (point & 0x3ff));
    }
    if (units.length >= MOST_ARGUMENTS) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  return text + String.fromCharCode(...units);
}

/** Most texts: one byte for each character. */
function encodeAscii(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return undefined;
    bytes[i] = unit;
  }
  return bytes;
}

function parseAscii(bytes: Uint8Array): string | undefined {
  if (bytes.length > MOST_ARGUMENTS) return undefined;
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] ?? 0) >= 0x80) return undefined;
  // `apply` takes the array as it is; spreading would walk it once more, item by item.
  return String.fromCharCode.apply(undefined, bytes as unknown as number[]);
}

function isSurrogate(point: number): boolean {
  return point >= 0xd800 && point < 0xe000;
}

function refused(): BytesFault {
  return new BytesFault('bytes/bad-utf8', 'The text is not valid UTF-8.');
}

/** Arguments live on the stack: a few thousand at a time. */
const MOST_ARGUMENTS = 4096;

/** By number of trailing bytes: the smallest code point that needs them. */
const SMALLEST = [0, 0x80, 0x800, 0x10000];
