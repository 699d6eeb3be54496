import { encodeHex, parseHex } from '@margo-trust/bytes';

/** The NIST curves (FIPS 186-5, SP 800-186 §3.2.1), by the names of JOSE and COSE. */
export type CurveName = 'P-256' | 'P-384' | 'P-521';

export interface Curve {
  readonly bits: number;
  /** Width of a coordinate. */
  readonly bytes: number;
  /** Content of the object identifier. */
  readonly oid: Uint8Array;
  readonly p: bigint;
  readonly b: bigint;
  /** Order of the group, by which r and s of a signature are bounded: big endian, as wide as they are. */
  readonly order: Uint8Array;
}

export const CURVES: Readonly<Record<CurveName, Curve>> = {
  'P-256': {
    bits: 256,
    bytes: 32,
    oid: parseHex('2a8648ce3d030107'), // 1.2.840.10045.3.1.7
    p: 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n,
    b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
    order: parseHex('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551'),
  },
  'P-384': {
    bits: 384,
    bytes: 48,
    oid: parseHex('2b81040022'), // 1.3.132.0.34
    p: 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n,
    b: 0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aefn,
    order: parseHex('ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973'),
  },
  'P-521': {
    bits: 521,
    bytes: 66,
    oid: parseHex('2b81040023'), // 1.3.132.0.35
    p: 2n ** 521n - 1n,
    b: 0x0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00n,
    order: parseHex(
      '01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409',
    ),
  },
};

/** Whether y² = x³ − 3x + b, with both coordinates in full width and below p (SEC 1 §3.2.2). */
export function isOnCurve(name: CurveName, xBytes: Uint8Array, yBytes: Uint8Array): boolean {
  const { p, b, bytes } = CURVES[name];
  if (xBytes.length !== bytes || yBytes.length !== bytes) return false;
  const x = toBigInt(xBytes);
  const y = toBigInt(yBytes);
  return x < p && y < p && (y * y - (x * x * x - 3n * x + b)) % p === 0n;
}

/**
 * Whether these 32 bytes are a canonical point of edwards25519 (RFC 8032 §5.1.3) that is not of small order.
 * Under a small-order key one signature fits many messages.
 */
export function isStrongEd25519Point(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false;
  const y = littleEndian(bytes) & (2n ** 255n - 1n); // the top bit is the sign of x
  if (y >= ED25519_P || SMALL_ORDER_Y.includes(y)) return false;
  const y2 = (y * y) % ED25519_P;
  const numerator = y2 - 1n;
  const denominator = ED25519_D * y2 + 1n;
  // x² = numerator / denominator has a root iff their product is a square (Euler).
  const product = (((numerator * denominator) % ED25519_P) + ED25519_P) % ED25519_P;
  return power(product, (ED25519_P - 1n) / 2n, ED25519_P) === 1n;
}

export function toBigInt(bytes: Uint8Array): bigint {
  return BigInt(`0x0${encodeHex(bytes)}`);
}

export function littleEndian(bytes: Uint8Array): bigint {
  return toBigInt(Uint8Array.from(bytes).reverse());
}

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let square = base; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

/** Order of the base point of edwards25519: S of a signature stays below it (RFC 8032 §5.1.7). */
export const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const ED25519_P = 2n ** 255n - 19n;
const ED25519_D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;

const ORDER_EIGHT_Y = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;

/** The y of the eight points whose order divides 8. */
const SMALL_ORDER_Y: readonly bigint[] = [0n, 1n, ED25519_P - 1n, ORDER_EIGHT_Y, ED25519_P - ORDER_EIGHT_Y];
