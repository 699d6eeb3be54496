import { BytesFault } from './fault.ts';

/** Lower-case hexadecimal, two digits a byte. */
export function encodeHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += PAIRS[byte];
  return text;
}

/**
 * The bytes of a hexadecimal text, in either case and without separators.
 *
 * Two spellings of one value are possible here; where only one is allowed (`sha256:…`), the caller checks the text.
 */
export function parseHex(text: string): Uint8Array {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) {
    throw new BytesFault('bytes/bad-hex', 'Expected pairs of hexadecimal digits.');
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = digit(text.charCodeAt(2 * i)) * 16 + digit(text.charCodeAt(2 * i + 1));
  }
  return bytes;
}

const PAIRS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Of a hexadecimal digit in either case: the letters follow the digits at a distance, 0x41 and 0x61 on. */
function digit(code: number): number {
  return code <= 0x39 ? code - 0x30 : (code | 0x20) - 0x57;
}
