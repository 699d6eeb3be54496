import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';

/**
 * The seed of an ML-DSA-44 key as PKCS#8 (RFC 9881 §6, the seed alone), since Node's crypto knows no such key. Encrypted with a
 * passphrase: PBES2 with PBKDF2, HMAC-SHA-256 and AES-256-CBC (RFC 8018 §6.2), as OpenSSL and Node write it.
 */
export function encodeSeed(seed: Uint8Array, passphrase?: string): string {
  const info = der(SEQUENCE, der(INTEGER, Uint8Array.of(0)), der(SEQUENCE, ML_DSA_44), der(OCTETS, der(SEED, seed)));
  return passphrase === undefined ? encodePem('PRIVATE KEY', info) : encodePem(ENCRYPTED, encrypt(info, passphrase));
}

/** Reads what {@link encodeSeed} wrote, or `openssl genpkey` with `ml-dsa.output_formats=seed-only`. Undefined for anything else. */
export function decodeSeed(pem: string, passphrase?: string): Uint8Array | undefined {
  const [, label, base64] = /^-----BEGIN ([A-Z ]+)-----\n([A-Za-z0-9+/=\n]+)\n-----END \1-----\s*$/.exec(pem) ?? [];
  if (base64 === undefined) return undefined;
  try {
    const bytes = Buffer.from(base64, 'base64');
    return seedOf(label === ENCRYPTED ? decrypt(bytes, passphrase ?? '') : bytes);
  } catch {
    return undefined; // damaged, or the wrong passphrase
  }
}

function seedOf(info: Uint8Array): Uint8Array {
  const [, algorithm, key] = openSequence(info);
  const [oid] = openSequence(algorithm);
  const [seed] = parts(content(key, OCTETS));
  const bytes = content(seed, SEED);
  if (!oid || !Buffer.from(oid).equals(ML_DSA_44) || bytes.length !== 32) throw new Error('Not an ML-DSA-44 seed.');
  return bytes;
}

function encrypt(info: Uint8Array, passphrase: string): Uint8Array {
  const [salt, iv] = [randomBytes(16), randomBytes(16)];
  const cipher = createCipheriv('aes-256-cbc', deriveKey(passphrase, salt, ITERATIONS), iv);
  const iterations = Buffer.alloc(3);
  iterations.writeUIntBE(ITERATIONS, 0, 3);
  const derivation = der(SEQUENCE, PBKDF2, der(SEQUENCE, der(OCTETS, salt), der(INTEGER, iterations), HMAC_SHA256));
  const scheme = der(SEQUENCE, PBES2, der(SEQUENCE, derivation, der(SEQUENCE, AES_256_CBC, der(OCTETS, iv))));
  return der(SEQUENCE, scheme, der(OCTETS, cipher.update(info), cipher.final()));
}

function decrypt(bytes: Uint8Array, passphrase: string): Uint8Array {
  const [scheme, data] = openSequence(bytes);
  const [pbes2, parameters] = openSequence(scheme);
  const [derivation, encryption] = openSequence(parameters);
  const [pbkdf2, numbers] = openSequence(derivation);
  const [salt, iterations, prf] = openSequence(numbers);
  const [aes, iv] = openSequence(encryption);
  const isKnown = Buffer.concat([pbes2, pbkdf2, prf, aes].map((oid) => oid ?? Buffer.alloc(0))).equals(KNOWN);
  const count = Buffer.from(content(iterations, INTEGER));
  if (!isKnown || count.length === 0 || count.length > 4) throw new Error('Not encrypted in the way we know.');
  const key = deriveKey(passphrase, content(salt, OCTETS), count.readUIntBE(0, count.length));
  const decipher = createDecipheriv('aes-256-cbc', key, content(iv, OCTETS));
  return Buffer.concat([decipher.update(content(data, OCTETS)), decipher.final()]);
}

function deriveKey(passphrase: string, salt: Uint8Array, iterations: number): Buffer {
  if (iterations > MAX_ITERATIONS) throw new Error('Too many iterations.');
  return pbkdf2Sync(passphrase, salt, iterations, 32, 'sha256');
}

function encodePem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** Nothing here has more than 255 bytes. */
function der(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(contents);
  return Buffer.concat([Buffer.from(body.length < 0x80 ? [tag, body.length] : [tag, 0x81, body.length]), body]);
}

function openSequence(element: Uint8Array | undefined): Uint8Array[] {
  return parts(content(element, SEQUENCE));
}

function content(element: Uint8Array | undefined, tag: number): Uint8Array {
  if (!element || element[0] !== tag) throw new Error('Unexpected element.');
  const { start, end } = extent(element);
  if (end !== element.length) throw new Error('Bytes behind the element.');
  return element.subarray(start, end);
}

function parts(bytes: Uint8Array): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const { end } = extent(rest);
    found.push(rest.subarray(0, end));
    rest = rest.subarray(end);
  }
  return found;
}

function extent(bytes: Uint8Array): { start: number; end: number } {
  const [, first = 0xff, second = 0] = bytes;
  const [start, length] = first < 0x80 ? [2, first] : first === 0x81 ? [3, second] : [0, bytes.length + 1];
  if (start + length > bytes.length) throw new Error('The element ends early.');
  return { start, end: start + length };
}

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTETS = 0x04;
/** `[0] IMPLICIT OCTET STRING`. */
const SEED = 0x80;
const ENCRYPTED = 'ENCRYPTED PRIVATE KEY';
const ITERATIONS = 100_000;
const MAX_ITERATIONS = 10_000_000;

// Object identifiers, tag and length included; the last with its NULL, as an AlgorithmIdentifier.
const ML_DSA_44 = Buffer.from('0609608648016503040311', 'hex');
const PBES2 = Buffer.from('06092a864886f70d01050d', 'hex');
const PBKDF2 = Buffer.from('06092a864886f70d01050c', 'hex');
const AES_256_CBC = Buffer.from('060960864801650304012a', 'hex');
const HMAC_SHA256 = Buffer.from('300c06082a864886f70d02090500', 'hex');
const KNOWN = Buffer.concat([PBES2, PBKDF2, HMAC_SHA256, AES_256_CBC]);
