import { expect } from 'vitest';
import { generateKeyPairSync, sign } from 'node:crypto';
import { openMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import {
  cosignatureToBeSigned,
  ED25519_COSIGNATURE,
  ED25519_NOTE,
  encodeCosignature,
  ML_DSA_44_COSIGNATURE,
  parseCheckpoint,
  subtreeToBeSigned,
  verifierKeyId,
  type NoteSignature,
  type VerifierKey,
} from '../src/index.ts';

export interface TestSigner {
  readonly key: VerifierKey;
  sign(text: string): NoteSignature;
}

/** What cosignatures of these signers say. */
export const SECONDS = 1_679_315_147n;

export function logSigner(name: string): TestSigner {
  return ed25519Signer(name, ED25519_NOTE, utf8);
}

export function witnessSigner(name: string): TestSigner {
  return ed25519Signer(name, ED25519_COSIGNATURE, (text) => cosignatureToBeSigned(text, SECONDS));
}

export function mlDsaSigner(name: string, seed = crypto.getRandomValues(new Uint8Array(32))): TestSigner {
  const { publicKey, sign: signBytes } = openMlDsa44(seed);
  const key = keyOf(name, publicKey, ML_DSA_44_COSIGNATURE);
  return {
    key,
    sign: (text) => {
      const { origin, size, root } = parseCheckpoint(text);
      const message = subtreeToBeSigned(name, SECONDS, { origin, start: 0n, end: size, hash: root });
      return { name, keyHash: key.keyHash, signature: encodeCosignature(SECONDS, signBytes(message)) };
    },
  };
}

function ed25519Signer(name: string, type: number, message: (text: string) => Uint8Array): TestSigner {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = keyOf(name, new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(12)), type);
  return {
    key,
    sign: (text) => {
      const signature = new Uint8Array(sign(null, message(text), privateKey));
      return {
        name,
        keyHash: key.keyHash,
        signature: type === ED25519_NOTE ? signature : encodeCosignature(SECONDS, signature),
      };
    },
  };
}

function keyOf(name: string, publicKey: Uint8Array, type: number): VerifierKey {
  return { name, keyHash: verifierKeyId(name, publicKey, type).slice(0, 4), type, publicKey };
}

export const utf8 = (text: string) => new Uint8Array(Buffer.from(text, 'utf8'));
export const refusal = (code: string) => expect.objectContaining({ code }) as unknown;
