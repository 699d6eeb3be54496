import type { SignatureAlgorithm } from '@margo-trust/crypto';

/**
 * One private key, reached only through what it can do.
 * Implementations: PKCS#8 files (file-signer.ts) and throw-away keys in memory for tests (memory-signer.ts).
 */
export abstract class Signer {
  abstract readonly algorithm: SignatureAlgorithm;

  /** SubjectPublicKeyInfo, DER. */
  abstract readonly spki: Uint8Array;

  /** Signs `data` (hashing is part of the algorithm). ECDSA gives raw r‖s (IEEE P1363) unless `der` is asked for. */
  abstract sign(data: Uint8Array, encoding?: 'raw' | 'der'): Promise<Uint8Array>;
}
