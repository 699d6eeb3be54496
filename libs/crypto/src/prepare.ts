import { compareBytes, concatBytes } from '@margo-trust/bytes';
import type { SignatureAlgorithm, SignatureCheck } from './check.ts';
import { CURVES, ED25519_ORDER, littleEndian, type Curve, type CurveName } from './curve.ts';
import { DER, DerReader } from './der.ts';
import { CryptoFault } from './fault.ts';
import type { PublicKey } from './key.ts';

export type HashName = 'sha256' | 'sha384' | 'sha512';

/** A check whose signature has the right form for its key: all that is left is the arithmetic. */
export type PreparedCheck =
  | { readonly kind: 'ecdsa'; readonly curve: CurveName; readonly hash: HashName; readonly signature: Uint8Array }
  | { readonly kind: 'pss' | 'pkcs1'; readonly hash: HashName; readonly signature: Uint8Array }
  | { readonly kind: 'ed25519'; readonly signature: Uint8Array };

/**
 * What every implementation decides alike, before any arithmetic. ECDSA signatures leave here as r ‖ s in full width
 * with 0 < r, s < n; both halves of the range of s are valid (RFC 6979 does not ask for the lower one).
 */
export function prepareCheck(check: SignatureCheck): PreparedCheck {
  const { algorithm, key, signature } = check;
  const { kind, hash, curve } = ALGORITHMS[algorithm];
  switch (kind) {
    case 'ecdsa': {
      if (key.type === 'RSA' || key.type === 'Ed25519') throw mismatch(check);
      if (check.encoding === 'der')
        return { kind, curve: key.type, hash, signature: rawOf(signature, CURVES[key.type]) };
      if (key.type !== curve) throw mismatch(check);
      refuseOutOfRange(signature, CURVES[curve]);
      return { kind, curve, hash, signature };
    }
    case 'ed25519':
      if (key.type !== 'Ed25519') throw mismatch(check);
      if (signature.length !== 64 || littleEndian(signature.subarray(32)) >= ED25519_ORDER) throw badSignature();
      return { kind, signature };
    default:
      if (key.type !== 'RSA') throw mismatch(check);
      if (signature.length !== Math.ceil(key.bits / 8)) throw badSignature();
      return { kind, hash, signature };
  }
}

export function badSignature(): CryptoFault {
  return new CryptoFault('crypto/bad-signature', 'The signature does not verify.');
}

function mismatch({ algorithm, key }: { algorithm: SignatureAlgorithm; key: PublicKey }): CryptoFault {
  return new CryptoFault('crypto/algorithm-mismatch', `${algorithm} does not go with a key of type ${key.type}.`);
}

/** r ‖ s of an ECDSA-Sig-Value (RFC 3279 §2.2.3). */
function rawOf(der: Uint8Array, curve: Curve): Uint8Array {
  const outer = new DerReader(der, 'crypto/bad-signature');
  const numbers = outer.open(DER.sequence);
  outer.end();
  const raw = concatBytes(widen(numbers.positiveInteger(), curve), widen(numbers.positiveInteger(), curve));
  numbers.end();
  refuseOutOfRange(raw, curve);
  return raw;
}

function widen(magnitude: Uint8Array, { bytes }: Curve): Uint8Array {
  if (magnitude.length > bytes) throw badSignature();
  return concatBytes(new Uint8Array(bytes - magnitude.length), magnitude);
}

function refuseOutOfRange(raw: Uint8Array, { bytes, order }: Curve): void {
  if (raw.length !== 2 * bytes) throw badSignature();
  for (const number of [raw.subarray(0, bytes), raw.subarray(bytes)]) {
    if (number.every((byte) => byte === 0) || compareBytes(number, order) >= 0) throw badSignature();
  }
}

type Rule =
  | { readonly kind: 'ecdsa'; readonly hash: HashName; readonly curve: CurveName }
  | { readonly kind: 'pss' | 'pkcs1'; readonly hash: HashName; readonly curve?: undefined }
  | { readonly kind: 'ed25519'; readonly hash?: undefined; readonly curve?: undefined };

const ALGORITHMS: Readonly<Record<SignatureAlgorithm, Rule>> = {
  ES256: { kind: 'ecdsa', hash: 'sha256', curve: 'P-256' },
  ES384: { kind: 'ecdsa', hash: 'sha384', curve: 'P-384' },
  ES512: { kind: 'ecdsa', hash: 'sha512', curve: 'P-521' },
  PS256: { kind: 'pss', hash: 'sha256' },
  PS384: { kind: 'pss', hash: 'sha384' },
  PS512: { kind: 'pss', hash: 'sha512' },
  RS256: { kind: 'pkcs1', hash: 'sha256' },
  RS384: { kind: 'pkcs1', hash: 'sha384' },
  RS512: { kind: 'pkcs1', hash: 'sha512' },
  Ed25519: { kind: 'ed25519' },
};
