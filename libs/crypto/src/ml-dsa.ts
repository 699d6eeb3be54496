import { ml_dsa44 } from '@noble/post-quantum/ml-dsa.js';
import { CryptoFault } from './fault.ts';
import { badSignature } from './prepare.ts';

/** Sizes of ML-DSA-44 (FIPS 204, tables 1 and 2), in bytes. */
export const ML_DSA_44 = { seedBytes: 32, publicKeyBytes: 1312, signatureBytes: 2420 } as const;

/** A private key of ML-DSA-44, reached only through what it can do. */
export interface MlDsa44Key {
  /** 1312 bytes (FIPS 204 §7.2, pkEncode). */
  readonly publicKey: Uint8Array;
  /**
   * 2420 bytes over the message, with an empty context (FIPS 204 §5.2). Deterministic: the same message has the same
   * signature in every process. It takes about 5 ms of this thread.
   */
  sign(message: Uint8Array): Uint8Array;
}

/** The key that grows from a seed of 32 secret random bytes (FIPS 204 §6.1). Other lengths: `crypto/bad-key`. */
export function openMlDsa44(seed: Uint8Array): MlDsa44Key {
  if (seed.length !== ML_DSA_44.seedBytes) {
    throw new CryptoFault('crypto/bad-key', `An ML-DSA-44 seed has ${ML_DSA_44.seedBytes} bytes.`);
  }
  const { publicKey, secretKey } = ml_dsa44.keygen(seed);
  return { publicKey, sign: (message) => ml_dsa44.sign(message, secretKey, { extraEntropy: false }) };
}

/**
 * Returns if the signature is the key's over the message with an empty context (FIPS 204 §5.3); otherwise
 * `crypto/bad-key` for a key of the wrong length, `crypto/bad-signature` in every other case.
 *
 * In a module of its own, since it weighs more than everything else here: who checks no such signature carries none of it.
 */
export function verifyMlDsa44(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): void {
  if (publicKey.length !== ML_DSA_44.publicKeyBytes) {
    throw new CryptoFault('crypto/bad-key', `An ML-DSA-44 key has ${ML_DSA_44.publicKeyBytes} bytes.`);
  }
  if (signature.length !== ML_DSA_44.signatureBytes || !ml_dsa44.verify(signature, message, publicKey)) {
    throw badSignature();
  }
}
