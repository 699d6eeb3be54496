import type { SignatureAlgorithm } from '@margo-trust/crypto';

/**
 * One private key, reached only through what it can do.
 * Implementations: keys from PKCS#8 files or made on the spot (key-object-signer.ts), and keys in tokens (token-signer.ts).
 */
export abstract class Signer {
  abstract readonly algorithm: SignatureAlgorithm;

  /** SubjectPublicKeyInfo, DER. */
  abstract readonly spki: Uint8Array;

  /** Signs `data` (hashing is part of the algorithm), off the main thread. ECDSA gives raw r‖s (IEEE P1363) unless `der` is asked for. */
  abstract sign(data: Uint8Array, encoding?: 'raw' | 'der'): Promise<Uint8Array>;
}
