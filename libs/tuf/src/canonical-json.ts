import { encodeUtf8 } from '@margo-trust/bytes';
import { TufFault } from './fault.ts';

/** What canonical JSON can say: no fractions, and here ASCII strings only. */
export type CanonicalJson =
  null | boolean | number | string | readonly CanonicalJson[] | { readonly [member: string]: CanonicalJson };

/**
 * The bytes that TUF signs and hashes: OLPC canonical JSON (TUF specification §4.2), which is not RFC 8785.
 *
 * Members are sorted, nothing is spaced, and strings escape only `\` and `"`: a line feed stays a line feed, so the
 * result is not always JSON. Strings beyond ASCII are refused, because clients sort and normalise them differently.
 * Faults with tuf/not-canonical.
 */
export function encodeCanonicalJson(value: CanonicalJson): Uint8Array {
  return encodeUtf8(write(value, (text) => `"${text.replace(/["\\]/g, '\\$&')}"`));
}

/** The same value in the same order as JSON that any parser reads: what a metadata file holds. */
export function encodeSortedJson(value: CanonicalJson): Uint8Array {
  return encodeUtf8(write(value, (text) => JSON.stringify(text)));
}

function write(value: CanonicalJson, quote: (text: string) => string): string {
  if (typeof value === 'string') return quote(requireAscii(value));
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TufFault('tuf/not-canonical', 'Only whole numbers can be signed.');
    return String(value);
  }
  if (value === null || typeof value === 'boolean') return String(value);
  if (isArray(value)) return `[${value.map((item) => write(item, quote)).join(',')}]`;
  if (typeof value !== 'object') throw new TufFault('tuf/not-canonical', 'Only JSON values can be signed.');
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${quote(requireAscii(name))}:${write(member, quote)}`);
  return `{${members.join(',')}}`;
}

function requireAscii(text: string): string {
  if (!isAscii(text)) throw new TufFault('tuf/not-canonical', 'Metadata is limited to ASCII.');
  return text;
}

export function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}

/** `Array.isArray` alone does not narrow a readonly array. */
function isArray(value: CanonicalJson): value is readonly CanonicalJson[] {
  return Array.isArray(value);
}
