/** Crockford's alphabet, lower case. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** A lower-case ULID: 48 bits of milliseconds, 80 random bits, in Crockford's base 32. `random` has ten bytes. */
export function makeVendorId(now: Date, random: Uint8Array): string {
  let bits = BigInt(now.getTime());
  for (const byte of random) bits = (bits << 8n) | BigInt(byte);
  let id = '';
  for (let i = 0; i < 26; i++) {
    id = ALPHABET.charAt(Number(bits & 31n)) + id;
    bits >>= 5n;
  }
  return id;
}

/** `iss` of the vendor's statements and the only URI in its certificates. */
export function vendorUri(id: string, domain: string): string {
  return `https://${id}.vendors.${domain}/`;
}

/** The id in a vendor's URI, or undefined if it is not one of this domain. */
export function findVendorId(uri: string, domain: string): string | undefined {
  const id = uri.slice('https://'.length).split('.', 1)[0] ?? '';
  return isVendorId(id) && uri === vendorUri(id, domain) ? id : undefined;
}

export function isVendorId(text: string): boolean {
  return /^[0-7][0-9a-hjkmnp-tv-z]{25}$/.test(text);
}
