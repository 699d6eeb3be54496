import { BytesFault } from './fault.ts';

/** Base64 with padding (RFC 4648 §4). */
export function encodeBase64(bytes: Uint8Array): string {
  const text = encodeWith(STANDARD, bytes);
  return text + '='.repeat((4 - (text.length % 4)) % 4);
}

/** Base64 for URLs and file names, without padding (RFC 4648 §5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  return encodeWith(URL_SAFE, bytes);
}

/**
 * The bytes of a padded base64 text (RFC 4648 §4).
 *
 * Exactly one text is accepted for each value: no white space, no missing padding, no stray bits in the last digit.
 */
export function parseBase64(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw refused();
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return parseWith(STANDARD_VALUES, text, text.length - padding);
}

/** The bytes of an unpadded base64url text (RFC 4648 §5), as strictly as {@link parseBase64}. */
export function parseBase64Url(text: string): Uint8Array {
  return parseWith(URL_SAFE_VALUES, text, text.length);
}

function encodeWith(alphabet: string, bytes: Uint8Array): string {
  let text = '';
  const digit = (six: number): string => alphabet.charAt(six & 63);
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const three = ((bytes[i] ?? 0) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += digit(three >> 18) + digit(three >> 12);
    if (left > 1) text += digit(three >> 6);
    if (left > 2) text += digit(three);
  }
  return text;
}

/** Reads the first `digits` characters of `text`. */
function parseWith(values: Int8Array, text: string, digits: number): Uint8Array {
  if (digits % 4 === 1) throw refused();
  const bytes = new Uint8Array(Math.floor((digits * 3) / 4));
  let pending = 0;
  let bits = 0;
  let length = 0;
  for (let i = 0; i < digits; i++) {
    const value = values[text.charCodeAt(i)] ?? -1;
    if (value < 0) throw refused();
    pending = ((pending << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) bytes[length++] = (pending >> (bits -= 8)) & 0xff;
  }
  if ((pending & ((1 << bits) - 1)) !== 0) throw refused();
  return bytes;
}

function refused(): BytesFault {
  return new BytesFault('bytes/bad-base64', 'Expected canonical base64.');
}

function valuesOf(alphabet: string): Int8Array {
  const values = new Int8Array(128).fill(-1);
  for (let i = 0; i < alphabet.length; i++) values[alphabet.charCodeAt(i)] = i;
  return values;
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const STANDARD = `${LETTERS}+/`;
const URL_SAFE = `${LETTERS}-_`;
const STANDARD_VALUES = valuesOf(STANDARD);
const URL_SAFE_VALUES = valuesOf(URL_SAFE);
