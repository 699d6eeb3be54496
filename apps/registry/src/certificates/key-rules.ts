import { createECDH } from 'node:crypto';
import { encodeHex } from '@margo-trust/bytes';
import { type PublicKey, publicKeyParts, type PublicKeyParts } from '@margo-trust/crypto';

/**
 * Why a key must not be certified, or undefined. Finds keys of kinds and sizes that the signing profile does not know, and keys
 * whose private half can be computed from the public one because of known mistakes in making them.
 */
export function findKeyWeakness(key: PublicKey): string | undefined {
  const parts = publicKeyParts(key);
  switch (parts.type) {
    case 'P-256':
    case 'P-384':
      return smallScalar(parts);
    case 'RSA':
      return rsaWeakness(toBigint(parts.n), toBigint(parts.e), key.bits);
    default:
      return `Keys of type ${parts.type} are not certified: use P-256, P-384, or RSA with 3072 bits.`;
  }
}

export function rsaWeakness(n: bigint, e: bigint, bits: number): string | undefined {
  // Fewer are too few (CSBR §6.1.5.2). With more, notation wants PS512, which the signing profile does not have.
  if (bits !== 3_072) return `The RSA key has ${bits} bits: exactly 3072 are needed. P-256 is the better choice.`;
  return rsaMistake(n, e);
}

/**
 * As {@link findKeyWeakness}, for keys that are certified elsewhere: whether its private half can be computed, and nothing of
 * kinds and sizes.
 */
export function findKeyMistake(key: PublicKey): string | undefined {
  const parts = publicKeyParts(key);
  switch (parts.type) {
    case 'P-256':
    case 'P-384':
      return smallScalar(parts);
    case 'RSA':
      return rsaMistake(toBigint(parts.n), toBigint(parts.e));
    default:
      return undefined;
  }
}

function rsaMistake(n: bigint, e: bigint): string | undefined {
  if (e < 65_537n) return 'The exponent of the RSA key is below 65537.'; // CSBR §6.1.6
  if (SMALL_PRIMES.some((prime) => n % prime === 0n)) return 'The RSA key has a small factor.'; // CSBR §6.1.6
  if (isRocaShaped(n)) return 'The RSA key was made by a defective chip (ROCA, CVE-2017-15361).';
  if (hasCloseFactors(n)) return 'The factors of the RSA key lie too close together (CVE-2022-26320).';
  return undefined;
}

/** Odd primes below 752, the bound of CSBR §6.1.6. */
const SMALL_PRIMES = Array.from({ length: 750 }, (_, i) => i + 3)
  .filter((n) => n < 752 && n % 2 === 1 && !hasDivisor(n))
  .map(BigInt);

function hasDivisor(n: number): boolean {
  for (let d = 3; d * d <= n; d += 2) if (n % d === 0) return true;
  return false;
}

/**
 * Whether n is a power of 65537 modulo every one of these primes, as the chips' keys are. A good key passes for one by chance
 * once in 2^27 (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §2.4).
 */
function isRocaShaped(n: bigint): boolean {
  return ROCA_POWERS.every(([prime, powers]) => powers.has(Number(n % prime)));
}

const ROCA_POWERS = SMALL_PRIMES.filter((prime) => prime <= 167n).map((prime): [bigint, Set<number>] => {
  const powers = new Set<number>();
  for (let power = 1n; !powers.has(Number(power)); power = (power * 65_537n) % prime) powers.add(Number(power));
  return [prime, powers];
});

/** Fermat's factorization finds p and q at once when they are close; a hundred rounds as CSBR §6.1.1.3 asks. */
function hasCloseFactors(n: bigint): boolean {
  let a = sqrt(n);
  if (a * a < n) a += 1n;
  for (let round = 0; round < 100; round++, a += 1n) {
    const rest = a * a - n;
    // Squares end in few patterns of bits: most numbers need no root.
    if (SQUARES_MOD_64.has(Number(rest & 63n)) && sqrt(rest) ** 2n === rest) return true;
  }
  return false;
}

const SQUARES_MOD_64 = new Set(Array.from({ length: 64 }, (_, i) => (i * i) % 64));

/** The largest integer whose square is not above n (Newton). */
function sqrt(n: bigint): bigint {
  if (n < 2n) return n;
  let root = 1n << BigInt(Math.ceil(n.toString(16).length / 2) * 4);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** Private keys that are tiny numbers come from test code and broken generators; zlint e_ecdsa_small_private_key. */
function smallScalar({ type, x }: Extract<PublicKeyParts, { type: 'P-256' | 'P-384' | 'P-521' }>): string | undefined {
  const known = (smallKeys[type] ??= abscissas(type === 'P-256' ? 'prime256v1' : 'secp384r1', x.length));
  return known.has(encodeHex(x)) ? 'The private key is a tiny number that anybody can guess.' : undefined;
}

const smallKeys: Record<string, Set<string>> = {};

function abscissas(curve: string, bytes: number): Set<string> {
  const ecdh = createECDH(curve);
  return new Set(
    Array.from({ length: 64 }, (_, i) => {
      const scalar = Buffer.alloc(bytes);
      scalar[bytes - 1] = i + 1;
      ecdh.setPrivateKey(scalar);
      return ecdh
        .getPublicKey()
        .subarray(1, 1 + bytes)
        .toString('hex');
    }),
  );
}

function toBigint(bytes: Uint8Array): bigint {
  return BigInt(`0x${encodeHex(bytes)}`);
}
