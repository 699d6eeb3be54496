import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { concatBytes, encodeBase64, parseBase64 } from '@margo-trust/bytes';
import { openMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import {
  cosignatureToBeSigned,
  ED25519_COSIGNATURE,
  encodeCheckpoint,
  encodeCosignature,
  encodeVerifierKey,
  ML_DSA_44_COSIGNATURE,
  parseVerifierKey,
  subtreeToBeSigned,
  type Checkpoint,
  type NoteSignature,
  type Subtree,
  type VerifierKey,
} from '@margo-trust/tlog';

/** A private key of a witness, under its name. */
export interface Cosigner {
  readonly key: VerifierKey;
  /** What to tell logs and their users: C2SP signed-note's verifier key. */
  readonly vkey: string;
  /** The line of the key file: the verifier key with the seed in place of the public key, after `PRIVATE+KEY+`. */
  readonly secret: string;
  /** A cosignature at `seconds` since the epoch, which is above 0. */
  cosign(checkpoint: Checkpoint, seconds: bigint): NoteSignature;
  /** A cosignature without time; `undefined` if the kind of key has none. */
  cosignSubtree(subtree: Subtree): NoteSignature | undefined;
}

/** A new key of each kind: Ed25519, which everybody checks, and ML-DSA-44, which quantum computers do not break. */
export function makeCosigners(name: string): Cosigner[] {
  const { privateKey } = generateKeyPairSync('ed25519');
  const ed25519Seed = privateKey.export({ type: 'pkcs8', format: 'der' }).subarray(ED25519_PKCS8_PREFIX.length);
  return [openEd25519(name, new Uint8Array(ed25519Seed)), openMlDsa(name, new Uint8Array(randomBytes(SEED_BYTES)))];
}

/** The cosigner of a line that {@link Cosigner.secret} made, or undefined for any other line. */
export function openCosigner(secret: string): Cosigner | undefined {
  const [, name, hash, base64] = /^PRIVATE\+KEY\+([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(secret) ?? [];
  if (name === undefined || hash === undefined || base64 === undefined) return undefined;
  const blob = parseBase64(base64);
  const open = OPEN.get(blob[0] ?? 0);
  if (!open || blob.length !== 1 + SEED_BYTES) return undefined;
  const cosigner = open(name, blob.slice(1));
  return cosigner.secret === secret ? cosigner : undefined;
}

function openEd25519(name: string, seed: Uint8Array): Cosigner {
  const der = Buffer.concat([ED25519_PKCS8_PREFIX, seed]);
  const privateKey = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).subarray(-32);
  return cosigner(name, ED25519_COSIGNATURE, new Uint8Array(publicKey), seed, {
    sign: (checkpoint, seconds) => {
      const text = cosignatureToBeSigned(encodeCheckpoint(checkpoint), seconds);
      return new Uint8Array(sign(null, text, privateKey));
    },
    signSubtree: () => undefined,
  });
}

function openMlDsa(name: string, seed: Uint8Array): Cosigner {
  const key = openMlDsa44(seed);
  return cosigner(name, ML_DSA_44_COSIGNATURE, key.publicKey, seed, {
    sign: ({ origin, size, root }, seconds) =>
      key.sign(subtreeToBeSigned(name, seconds, { origin, start: 0n, end: size, hash: root })),
    signSubtree: (subtree) => key.sign(subtreeToBeSigned(name, 0n, subtree)),
  });
}

interface Arithmetic {
  sign(checkpoint: Checkpoint, seconds: bigint): Uint8Array;
  signSubtree(subtree: Subtree): Uint8Array | undefined;
}

function cosigner(
  name: string,
  type: number,
  publicKey: Uint8Array,
  seed: Uint8Array,
  arithmetic: Arithmetic,
): Cosigner {
  const vkey = encodeVerifierKey(name, publicKey, type);
  const key = parseVerifierKey(vkey);
  const prefix = vkey.slice(0, vkey.indexOf('+', name.length + 1) + 1);
  const line = (seconds: bigint, signature: Uint8Array): NoteSignature => ({
    name,
    keyHash: key.keyHash,
    signature: encodeCosignature(seconds, signature),
  });
  return {
    key,
    vkey,
    secret: `PRIVATE+KEY+${prefix}${encodeBase64(concatBytes(Uint8Array.of(type), seed))}`,
    cosign: (checkpoint, seconds) => line(seconds, arithmetic.sign(checkpoint, seconds)),
    cosignSubtree: (subtree) => {
      const signature = arithmetic.signSubtree(subtree);
      return signature && line(0n, signature);
    },
  };
}

const SEED_BYTES = 32;
/** DER of a PKCS#8 Ed25519 key up to the seed (RFC 8410 §7). */
const ED25519_PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const OPEN = new Map([
  [ED25519_COSIGNATURE, openEd25519],
  [ML_DSA_44_COSIGNATURE, openMlDsa],
]);
