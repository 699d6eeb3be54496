import { encodeUtf8 } from '@margo-trust/bytes';

/** What canonical JSON is made of here: Sigstore writes numbers of 64 bits as strings. */
export type JsonText = string | readonly JsonText[] | { readonly [member: string]: JsonText };

/**
 * Canonical JSON (RFC 8785), in UTF-8: no white space, members in the order of their names' UTF-16 units. Strings are written
 * as `JSON.stringify` does (§3.2.2.2); a lone surrogate, which no UTF-8 has, becomes U+FFFD.
 */
export function encodeCanonicalJson(value: JsonText): Uint8Array {
  return encodeUtf8(canonical(value));
}

function canonical(value: JsonText): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonical).join(',')}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
}

function isList(value: JsonText): value is readonly JsonText[] {
  return Array.isArray(value);
}
