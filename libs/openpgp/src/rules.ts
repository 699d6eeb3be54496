import type { AlgorithmInfo, PartialConfig } from 'openpgp';
import type { Openpgp } from './load.ts';

/** Shortest RSA modulus that counts (NIST SP 800-131A). */
const MIN_RSA_BITS = 2048;

const ALGORITHMS: readonly string[] = ['ecdsa', 'eddsaLegacy', 'ed25519', 'ed448'];
const CURVES: readonly string[] = ['nistP256', 'nistP384', 'nistP521', 'ed25519Legacy'];

/** What is wrong with a key's algorithm: RSA, ECDSA on NIST's curves and EdDSA are taken (RFC 9580 §9.1); DSA never. */
export function findWeakness({ algorithm, bits = 0, curve }: AlgorithmInfo): string | undefined {
  if (algorithm.startsWith('rsaEncryptSign') || algorithm === 'rsaSign') {
    return bits < MIN_RSA_BITS ? `RSA with ${bits} bits is too short; it takes ${MIN_RSA_BITS}.` : undefined;
  }
  if (!ALGORITHMS.includes(algorithm)) return `${algorithm} is not taken.`;
  return curve !== undefined && !CURVES.includes(curve) ? `The curve ${curve} is not taken.` : undefined;
}

/** Digests that a signature over a file may use. */
export function isStrongDigest({ enums }: Openpgp, algorithm: number | null): boolean {
  const { sha256, sha384, sha512, sha3_256, sha3_512 } = enums.hash;
  return algorithm !== null && [sha256, sha384, sha512, sha3_256, sha3_512].includes(algorithm);
}

/**
 * The same for what openpgp.js checks by itself: self-signatures and bindings, where SHA-1 does not count either. Sizes and
 * algorithms of keys are {@link findWeakness}'s, so that the refusal can say so.
 */
export function strictConfig({ enums }: Openpgp): PartialConfig {
  const weak = new Set([enums.hash.md5, enums.hash.ripemd, enums.hash.sha1]);
  return {
    rejectHashAlgorithms: weak,
    rejectMessageHashAlgorithms: weak,
    minRSABits: MIN_RSA_BITS,
    allowInsecureVerificationWithReformattedKeys: false,
  };
}
