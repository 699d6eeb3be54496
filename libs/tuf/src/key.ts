import { concatBytes, encodeHex, parseHex } from '@margo-trust/bytes';
import { parsePublicKey, sha256, type PublicKey } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { encodeCanonicalJson, type CanonicalJson } from './canonical-json.ts';
import { TufFault } from './fault.ts';
import { encodePublicKeyPem, parsePublicKeyPem } from './pem.ts';

/** A key as metadata writes it (TUF specification §4.2). Members unknown here are kept: the key id covers them. */
export interface TufKey {
  readonly keytype: string;
  readonly scheme: string;
  readonly keyval: { readonly public: string };
  readonly [member: string]: CanonicalJson;
}

/**
 * The TUF form of an Ed25519 or P-256 key, given as SubjectPublicKeyInfo: the two kinds that every client verifies.
 * Faults with tuf/unsupported for another kind; a malformed key is a CryptoFault.
 */
export function tufKeyFromSpki(spki: Uint8Array): TufKey {
  const { type } = parsePublicKey(spki);
  if (type === 'Ed25519') {
    return { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: encodeHex(spki.slice(ED25519_PREFIX.length)) } };
  }
  if (type === 'P-256') {
    return { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval: { public: encodePublicKeyPem(spki) } };
  }
  throw new TufFault('tuf/unsupported', 'TUF keys are Ed25519 or P-256.');
}

/** Lower-case hex of SHA-256 over the canonical JSON of the whole key, as tough recomputes it. */
export function tufKeyId(key: TufKey): string {
  return encodeHex(sha256(encodeCanonicalJson(key)));
}

/** The key to verify with, or undefined when it is of a kind unknown here, or broken: then it can't help a threshold. */
export function findPublicKey(key: TufKey): PublicKey | undefined {
  try {
    const publicKey = parsePublicKey(spkiOf(key));
    return publicKey.type === EXPECTED_TYPE[`${key.keytype}/${key.scheme}`] ? publicKey : undefined;
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function spkiOf({ keytype, keyval }: TufKey): Uint8Array {
  if (keytype !== 'ed25519') return parsePublicKeyPem(keyval.public);
  if (!/^[0-9a-f]{64}$/.test(keyval.public)) {
    throw new TufFault('tuf/bad-key', 'An Ed25519 key is 64 lower-case hexadecimal digits.');
  }
  return concatBytes(ED25519_PREFIX, parseHex(keyval.public));
}

const EXPECTED_TYPE: Readonly<Record<string, PublicKey['type']>> = {
  'ed25519/ed25519': 'Ed25519',
  'ecdsa/ecdsa-sha2-nistp256': 'P-256',
};

/** Everything of an Ed25519 SubjectPublicKeyInfo that stands before the key itself (RFC 8410 §4). */
const ED25519_PREFIX = parseHex('302a300506032b6570032100');
