import { constants, createPublicKey, hash, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto';
import type { SignatureCheck } from './check.ts';
import { prepareCheck, type HashName } from './prepare.ts';
import type { PublicKey } from './key.ts';

/** The arguments of `crypto.verify`. */
export interface OpenSslCheck {
  /** null where the algorithm brings its own hash. */
  readonly digest: HashName | null;
  readonly key: VerifyKeyObjectInput;
  readonly signature: Uint8Array;
}

/** Throws what `verifySignature` throws, except for the arithmetic that is still to be done. */
export function openSslCheck(check: SignatureCheck): OpenSslCheck {
  const prepared = prepareCheck(check);
  const key = keyObjectOf(check.key);
  const { signature } = prepared;
  switch (prepared.kind) {
    case 'ecdsa':
      return { digest: prepared.hash, key: { key, dsaEncoding: 'ieee-p1363' }, signature };
    case 'pss': {
      const padding = constants.RSA_PKCS1_PSS_PADDING;
      return { digest: prepared.hash, key: { key, padding, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }, signature };
    }
    case 'pkcs1':
      return { digest: prepared.hash, key: { key, padding: constants.RSA_PKCS1_PADDING }, signature };
    case 'ed25519':
      return { digest: null, key: { key }, signature };
  }
}

/** Importing a key costs as much as a check, and a registry sees few keys often: they are kept, as long as whoever has them. */
function keyObjectOf(key: PublicKey): KeyObject {
  const known = held.get(key);
  if (known) return known;
  const object = importOnce(key);
  held.set(key, object);
  return object;
}

/** The same key may have been parsed anew: the latest are known again by their bytes. */
function importOnce({ spki }: PublicKey): KeyObject {
  const id = hash('sha256', spki, 'base64');
  const key = cached.get(id) ?? createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  cached.delete(id);
  cached.set(id, key); // last in order: used last
  if (cached.size > MAX_CACHED_KEYS) {
    for (const oldest of cached.keys()) {
      cached.delete(oldest);
      break;
    }
  }
  return key;
}

const held = new WeakMap<PublicKey, KeyObject>();
const cached = new Map<string, KeyObject>();
const MAX_CACHED_KEYS = 1024;
