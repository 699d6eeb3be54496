import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { parsePublicKey, type PublicKey, type SignatureAlgorithm } from '@margo-trust/crypto';

/** A throw-away key pair. */
export interface KeyPair {
  readonly publicKey: PublicKey;
  readonly privateKey: KeyObject;
  /** ECDSA signatures are raw r‖s. */
  sign(data: Uint8Array, algorithm: SignatureAlgorithm): Uint8Array;
}

export type KeyPairType = 'P-256' | 'P-384' | 'P-521' | 'Ed25519' | 'RSA-2048' | 'RSA-3072';

export function makeKey(type: KeyPairType): KeyPair {
  const { publicKey, privateKey } = generate(type);
  return {
    publicKey: parsePublicKey(new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }))),
    privateKey,
    sign: (data, algorithm) => signWith(privateKey, data, algorithm),
  };
}

function generate(type: KeyPairType) {
  if (type === 'Ed25519') return generateKeyPairSync('ed25519');
  if (type === 'RSA-2048' || type === 'RSA-3072') {
    return generateKeyPairSync('rsa', { modulusLength: Number(type.slice(4)) });
  }
  return generateKeyPairSync('ec', { namedCurve: type });
}

function signWith(key: KeyObject, data: Uint8Array, algorithm: SignatureAlgorithm): Uint8Array {
  if (algorithm === 'Ed25519') return new Uint8Array(sign(null, data, key));
  const hash = `sha${algorithm.slice(2)}`;
  if (algorithm.startsWith('ES')) return new Uint8Array(sign(hash, data, { key, dsaEncoding: 'ieee-p1363' }));
  // 6 and 1 are RSA_PKCS1_PSS_PADDING and RSA_PKCS1_PADDING; -1 makes the salt as long as the digest.
  const padding = algorithm.startsWith('PS') ? { padding: 6, saltLength: -1 } : { padding: 1 };
  return new Uint8Array(sign(hash, data, { key, ...padding }));
}
