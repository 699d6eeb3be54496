import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { FilterFault } from './fault.ts';

/** 32-bit words that stand for one certificate. */
export const KEY_WORDS = 4;
export const MAX_KEY_ID = 64;

const DOMAIN = encodeUtf8('margo.revocation-filter.v1\0');
const MAX_SERIAL = 20; // RFC 5280 §4.1.2.2

/**
 * What stands for a certificate in a filter: the first 16 bytes of SHA-256(domain ‖ length of key id ‖ key id ‖ serial), as four
 * big-endian words. The salt of a filter comes later, so this is computed once in the life of a certificate.
 */
export function writeFilterKey(
  words: Uint32Array,
  at: number,
  issuerKeyId: Uint8Array,
  serial: Uint8Array,
): Uint32Array {
  checkLength(issuerKeyId, MAX_KEY_ID, 'key identifier');
  checkLength(serial, MAX_SERIAL, 'serial number');
  const input = new Uint8Array(DOMAIN.length + 1 + issuerKeyId.length + serial.length);
  input.set(DOMAIN);
  input[DOMAIN.length] = issuerKeyId.length;
  input.set(issuerKeyId, DOMAIN.length + 1);
  input.set(serial, DOMAIN.length + 1 + issuerKeyId.length);
  const digest = sha256(input);
  for (let word = 0; word < KEY_WORDS; word += 1) words[at + word] = readWord(digest, 4 * word);
  return words;
}

/** A growing list of certificates, 16 bytes each. Refuses key identifiers and serial numbers of impossible length. */
export class FilterKeys {
  private kept = new Uint32Array(KEY_WORDS * 1024);
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** `serial` is the content of the DER INTEGER; `issuerKeyId` names the key that the issuer really signs with. */
  add(issuerKeyId: Uint8Array, serial: Uint8Array): void {
    this.makeRoom();
    writeFilterKey(this.kept, this.count * KEY_WORDS, issuerKeyId, serial);
    this.count += 1;
  }

  /** Adds the certificate at `index` of another list. */
  copy(from: FilterKeys, index: number): void {
    this.makeRoom();
    this.kept.set(from.words.subarray(index * KEY_WORDS, (index + 1) * KEY_WORDS), this.count * KEY_WORDS);
    this.count += 1;
  }

  /** A view, good until something is added. */
  get words(): Uint32Array {
    return this.kept.subarray(0, this.count * KEY_WORDS);
  }

  private makeRoom(): void {
    if ((this.count + 1) * KEY_WORDS <= this.kept.length) return;
    const larger = new Uint32Array(this.kept.length * 2);
    larger.set(this.kept);
    this.kept = larger;
  }
}

export function readWord(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function checkLength(bytes: Uint8Array, max: number, what: string): void {
  if (bytes.length === 0 || bytes.length > max) {
    throw new FilterFault('filter/bad-input', `A ${what} has 1 to ${max} bytes, not ${bytes.length}.`);
  }
}
