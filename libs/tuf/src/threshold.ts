import { encodeHex, parseHex } from '@margo-trust/bytes';
import { CryptoFault, verifySignature, type PublicKey } from '@margo-trust/crypto';
import { TufFault } from './fault.ts';
import { findPublicKey, type TufKey } from './key.ts';
import type { RoleKeys, TufSignature } from './metadata.ts';

/** What signatures were made over, and the signatures; a parsed metadata file is one. */
export interface SignedBytes {
  readonly signedBytes: Uint8Array;
  readonly signatures: readonly TufSignature[];
}

/**
 * The ids of the role's keys that signed, in the role's order (TUF specification §4.2.1).
 *
 * One key counts once, however many ids or signatures it appears under. Signatures by strangers are ignored.
 */
export function findSigners(file: SignedBytes, keys: Readonly<Record<string, TufKey>>, role: RoleKeys): string[] {
  const seen = new Set<string>();
  return role.keyids.filter((keyid) => {
    const signature = file.signatures.find((candidate) => candidate.keyid === keyid);
    const key = Object.hasOwn(keys, keyid) ? keys[keyid] : undefined;
    const publicKey = signature && key && findPublicKey(key);
    if (!publicKey || !isSignedBy(publicKey, file.signedBytes, signature)) return false;
    const spki = encodeHex(publicKey.spki);
    const isNew = !seen.has(spki);
    seen.add(spki);
    return isNew;
  });
}

/** Returns when enough different keys of the role signed, else faults with tuf/threshold-not-met. */
export function verifyThreshold(
  file: SignedBytes,
  keys: Readonly<Record<string, TufKey>>,
  role: RoleKeys,
  roleName: string,
): void {
  const signers = findSigners(file, keys, role).length;
  if (signers < role.threshold) {
    throw new TufFault(
      'tuf/threshold-not-met',
      `The ${roleName} role needs ${role.threshold} signatures of different keys and has ${signers}.`,
    );
  }
}

function isSignedBy(key: PublicKey, data: Uint8Array, { sig }: TufSignature): boolean {
  const signature = parseHex(sig);
  try {
    if (key.type === 'Ed25519') verifySignature({ algorithm: 'Ed25519', key, data, signature });
    else verifySignature({ algorithm: 'ES256', key, data, signature, encoding: 'der' });
    return true;
  } catch (error) {
    if (error instanceof CryptoFault) return false;
    throw error;
  }
}
