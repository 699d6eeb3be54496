import { areEqualBytes, concatBytes, parseHex } from '@margo-trust/bytes';
import { CURVES, isOnCurve, isStrongEd25519Point, type CurveName } from './curve.ts';
import { DER, DerReader, encodeDer, encodePositiveInteger } from './der.ts';
import { CryptoFault } from './fault.ts';

/** Made by {@link parsePublicKey} or {@link assemblePublicKey} only; both have judged the key. */
export interface PublicKey {
  /** SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7), canonical. */
  readonly spki: Uint8Array;
  readonly type: CurveName | 'RSA' | 'Ed25519';
  /** Size of the field, or of the RSA modulus. */
  readonly bits: number;
}

/** The numbers of a key, big-endian; coordinates have the full width of the field, RSA numbers no leading zeros. */
export type PublicKeyParts =
  | { readonly type: CurveName; readonly x: Uint8Array; readonly y: Uint8Array }
  | { readonly type: 'Ed25519'; readonly x: Uint8Array }
  | { readonly type: 'RSA'; readonly n: Uint8Array; readonly e: Uint8Array };

/**
 * The key in a SubjectPublicKeyInfo: P-256, P-384 and P-521 as named curves with an uncompressed point (RFC 5480),
 * Ed25519 (RFC 8410) or RSA (RFC 3279 §2.3.1).
 *
 * Refused: `crypto/bad-key` when it is not canonical DER, or the point is not on its curve or, for Ed25519, of small
 * order; `crypto/weak-key` for RSA below 2048 bits; `crypto/unsupported` for anything else, RSA above 8192 bits included.
 */
export function parsePublicKey(spki: Uint8Array): PublicKey {
  const key = assemblePublicKey(readSpki(spki));
  if (!areEqualBytes(key.spki, spki)) throw badKey('The public key is not in its canonical form.');
  return key;
}

/** The key that has these numbers, judged as {@link parsePublicKey} does. */
export function assemblePublicKey(parts: PublicKeyParts): PublicKey {
  switch (parts.type) {
    case 'RSA':
      return assembleRsa(parts.n, parts.e);
    case 'Ed25519':
      if (!isStrongEd25519Point(parts.x)) throw badKey('The Ed25519 key is not a usable point.');
      return { spki: spkiOf(encodeDer(DER.sequence, ED25519), parts.x), type: 'Ed25519', bits: 255 };
    default: {
      const { bits, oid } = CURVES[parts.type];
      if (!isOnCurve(parts.type, parts.x, parts.y)) throw badKey('The point is not on its curve.');
      const algorithm = encodeDer(DER.sequence, EC, encodeDer(DER.oid, oid));
      const point = concatBytes(Uint8Array.of(UNCOMPRESSED), parts.x, parts.y);
      return { spki: spkiOf(algorithm, point), type: parts.type, bits };
    }
  }
}

/** The numbers of a key, for the formats that carry them apart (COSE, JWK, signed notes). */
export function publicKeyParts(key: PublicKey): PublicKeyParts {
  return readSpki(key.spki);
}

function assembleRsa(n: Uint8Array, e: Uint8Array): PublicKey {
  const bits = n.length === 0 ? 0 : n.length * 8 - Math.clz32(n[0] ?? 0) + 24;
  const isOdd = ((n[n.length - 1] ?? 0) & 1) === 1 && ((e[e.length - 1] ?? 0) & 1) === 1;
  const isExponent = e.length <= 4 && (e.length > 1 || (e[0] ?? 0) > 1);
  if (n[0] === 0 || e[0] === 0 || !isOdd || !isExponent) throw badKey('The RSA key is malformed.');
  if (bits < 2048) throw new CryptoFault('crypto/weak-key', 'RSA keys need 2048 bits at least.');
  if (bits > 8192) throw new CryptoFault('crypto/unsupported', 'RSA keys have 8192 bits at most.');
  const numbers = encodeDer(DER.sequence, encodePositiveInteger(n), encodePositiveInteger(e));
  return { spki: spkiOf(encodeDer(DER.sequence, RSA, encodeDer(DER.null)), numbers), type: 'RSA', bits };
}

function spkiOf(algorithm: Uint8Array, key: Uint8Array): Uint8Array {
  return encodeDer(DER.sequence, algorithm, encodeDer(DER.bitString, Uint8Array.of(0), key));
}

function readSpki(spki: Uint8Array): PublicKeyParts {
  const outer = new DerReader(spki, 'crypto/bad-key');
  const info = outer.open(DER.sequence);
  outer.end();
  const algorithm = info.open(DER.sequence);
  const bits = info.wholeBytes();
  info.end();
  const parts = partsOf(encodeDer(DER.oid, algorithm.content(DER.oid)), algorithm, bits);
  algorithm.end();
  return parts;
}

function partsOf(oid: Uint8Array, parameters: DerReader, bits: Uint8Array): PublicKeyParts {
  if (areEqualBytes(oid, ED25519)) return { type: 'Ed25519', x: bits };
  if (areEqualBytes(oid, EC)) return pointOf(parameters, bits);
  if (areEqualBytes(oid, RSA)) {
    parameters.content(DER.null);
    const outer = new DerReader(bits, 'crypto/bad-key');
    const numbers = outer.open(DER.sequence);
    outer.end();
    const parts = { type: 'RSA', n: numbers.positiveInteger(), e: numbers.positiveInteger() } as const;
    numbers.end();
    return parts;
  }
  throw new CryptoFault('crypto/unsupported', 'This kind of public key is not supported.');
}

function pointOf(parameters: DerReader, bits: Uint8Array): PublicKeyParts {
  const named = parameters.content(DER.oid);
  const type = CURVE_NAMES.find((name) => areEqualBytes(CURVES[name].oid, named));
  if (!type) throw new CryptoFault('crypto/unsupported', 'This elliptic curve is not supported.');
  const { bytes } = CURVES[type];
  if (bits[0] !== UNCOMPRESSED || bits.length !== 1 + 2 * bytes) {
    throw badKey('The point is not in uncompressed form.');
  }
  return { type, x: bits.slice(1, 1 + bytes), y: bits.slice(1 + bytes) };
}

function badKey(message: string): CryptoFault {
  return new CryptoFault('crypto/bad-key', message);
}

const UNCOMPRESSED = 4;
const CURVE_NAMES = ['P-256', 'P-384', 'P-521'] as const;

// Object identifiers, tag and length included.
const EC = parseHex('06072a8648ce3d0201'); // 1.2.840.10045.2.1
const RSA = parseHex('06092a864886f70d010101'); // 1.2.840.113549.1.1.1
const ED25519 = parseHex('06032b6570'); // 1.3.101.112
