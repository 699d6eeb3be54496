import { createECDH, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { parsePublicKey, publicKeyParts } from '@margo-trust/crypto';
import { describe, expect, it } from 'vitest';
import { findKeyWeakness, rsaWeakness } from './key-rules.ts';

const BITS = 3072;
const E = 65_537n;

describe('findKeyWeakness', () => {
  it.each(['P-256', 'P-384', 'RSA'])('finds nothing in a fresh key of type %s', (type) => {
    const { publicKey } =
      type === 'RSA'
        ? generateKeyPairSync('rsa', { modulusLength: BITS })
        : generateKeyPairSync('ec', { namedCurve: type });
    expect(findKeyWeakness(spkiOf(publicKey))).toBeUndefined();
  });

  it.each(['prime256v1', 'secp384r1'])('refuses a private key that is a tiny number, or minus one, on %s', (curve) => {
    const order = {
      prime256v1: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
      secp384r1: 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
    }[curve]!;
    for (const scalar of [1n, 17n, 64n, order - 5n]) {
      expect(findKeyWeakness(ecKey(curve, scalar)), String(scalar)).toMatch(/tiny number/);
    }
    expect(findKeyWeakness(ecKey(curve, 65n ** 9n))).toBeUndefined();
  });

  it('refuses kinds of keys that are not certified', () => {
    expect(findKeyWeakness(spkiOf(generateKeyPairSync('ed25519').publicKey))).toMatch(/not certified/);
    expect(findKeyWeakness(spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey))).toMatch(
      /not certified/,
    );
  });
});

describe('rsaWeakness', () => {
  const parts = publicKeyParts(spkiOf(generateKeyPairSync('rsa', { modulusLength: BITS }).publicKey));
  if (parts.type !== 'RSA') throw new Error('not RSA');
  const good = BigInt(`0x${Buffer.from(parts.n).toString('hex')}`);

  it('accepts a good modulus, and asks for length and exponent', () => {
    expect(rsaWeakness(good, E, BITS)).toBeUndefined();
    for (const bits of [2048, BITS - 1, BITS + 1, 4096]) {
      expect(rsaWeakness(good, E, bits)).toMatch(/exactly 3072 are needed/);
    }
    expect(rsaWeakness(good, 3n, BITS)).toMatch(/exponent/);
  });

  it('finds a small factor', () => {
    expect(rsaWeakness(good * 751n, E, BITS)).toMatch(/small factor/);
  });

  it('finds factors that lie close together', () => {
    // Not primes, and need not be: the method only cares how far apart they are.
    const p = coprime((3n << 1534n) + 1n);
    const q = coprime(p + 2n ** 700n);
    expect(rsaWeakness(p * q, E, BITS)).toMatch(/too close/);
    expect(rsaWeakness(p * coprime(p + 2n ** 1400n), E, BITS)).toBeUndefined();
  });

  it('finds the shape of keys from defective chips', () => {
    const product = [3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n, 53n, 59n, 61n, 67n, 71n, 73n]
      .concat([79n, 83n, 89n, 97n, 101n, 103n, 107n, 109n, 113n, 127n, 131n, 137n, 139n, 149n, 151n, 157n, 163n, 167n])
      .reduce((all, prime) => all * prime);
    const shaped = coprimeStep((good / product) * product + (E ** 41n % product), product);
    expect(rsaWeakness(shaped, E, BITS)).toMatch(/ROCA/);
  });
});

/** The next odd number from `n` on, in steps of two, that no small prime divides. */
function coprime(n: bigint): bigint {
  return coprimeStep(n % 2n === 0n ? n + 1n : n, 2n);
}

function coprimeStep(n: bigint, step: bigint): bigint {
  for (let candidate = n; ; candidate += step) {
    let isCoprime = true;
    for (let d = 3n; d < 752n && isCoprime; d += 2n) isCoprime = candidate % d !== 0n;
    if (isCoprime) return candidate;
  }
}

function ecKey(curve: string, scalar: bigint) {
  const ecdh = createECDH(curve);
  const bytes = curve === 'prime256v1' ? 32 : 48;
  ecdh.setPrivateKey(Buffer.from(scalar.toString(16).padStart(2 * bytes, '0'), 'hex'));
  const point = ecdh.getPublicKey();
  const [x, y] = [point.subarray(1, 1 + bytes), point.subarray(1 + bytes)].map((part) => part.toString('base64url'));
  const crv = bytes === 32 ? 'P-256' : 'P-384';
  return spkiOf(createPublicKey({ key: { kty: 'EC', crv, x: x!, y: y! }, format: 'jwk' }));
}

function spkiOf(key: ReturnType<typeof createPublicKey>) {
  return parsePublicKey(new Uint8Array(key.export({ type: 'spki', format: 'der' })));
}
