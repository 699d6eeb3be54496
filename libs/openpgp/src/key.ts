import { parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import type { Key, KeyID } from 'openpgp';
import { OpenpgpFault } from './fault.ts';
import { loadOpenpgp, type Openpgp } from './load.ts';
import { findWeakness, strictConfig } from './rules.ts';

/** An OpenPGP public key that can verify signatures (RFC 9580 §10.1, and RFC 4880's of version 4). */
export interface OpenpgpKey {
  /** Of the primary key: lower-case hex, 40 digits, or 64 of version 6. */
  readonly fingerprint: string;
  /** The packets as they came, without armor. */
  readonly bytes: Uint8Array;
  /** Whom it names; anybody can write anything there. */
  readonly userIds: readonly string[];
  readonly createdAt: Date;
  /** Absent where it does not expire. */
  readonly expiresAt?: Date;
}

/** Longest key. A key with the certifications of others may have more; `gpg --export-options export-minimal` leaves them out. */
export const MAX_KEY_BYTES = 8 << 10;

/**
 * The one public key in a file, armored or not, that must be able to sign at `now`. Everything in it comes from whoever sends it; what the
 * key says of itself is checked, who holds it is not. Faults with openpgp/not-a-key, openpgp/private-key, openpgp/too-large,
 * openpgp/weak-key, openpgp/key-expired, openpgp/key-revoked.
 */
export async function readOpenpgpKey(file: Uint8Array, now: Date): Promise<OpenpgpKey> {
  const openpgp = await loadOpenpgp();
  const { key, bytes } = await readKey(openpgp, file);
  await requireUsable(openpgp, key, now).catch((cause: unknown) => {
    throw cause instanceof OpenpgpFault ? cause : notAKey(cause);
  });
  const expiry = await key.getExpirationTime(undefined, openpgp.config);
  return {
    fingerprint: key.getFingerprint(),
    bytes,
    userIds: key.getUserIDs(),
    createdAt: key.getCreationTime(),
    ...(expiry instanceof Date && { expiresAt: expiry }),
  };
}

/** An armored form of the key: the same for the same bytes. */
export async function armorOpenpgpKey(bytes: Uint8Array): Promise<string> {
  const { armor, config, enums } = await loadOpenpgp();
  return armor(enums.armor.publicKey, bytes, undefined, undefined, undefined, false, config) as string;
}

/** The key behind the bytes, and those bytes without armor. */
export async function readKey(openpgp: Openpgp, file: Uint8Array): Promise<{ key: Key; bytes: Uint8Array }> {
  const keys = await readKeys(openpgp, file);
  const [key, ...others] = keys;
  if (key === undefined || others.length > 0) {
    throw new OpenpgpFault('openpgp/not-a-key', `One public key is expected, and there are ${keys.length}.`);
  }
  if (key.isPrivate()) {
    throw new OpenpgpFault(
      'openpgp/private-key',
      'This is a private key. Consider it known to others, and replace it.',
    );
  }
  const bytes = key.write();
  if (bytes.length > MAX_KEY_BYTES) {
    const message = `The key has ${bytes.length} bytes, and may have ${MAX_KEY_BYTES}: leave out what others certified.`;
    throw new OpenpgpFault('openpgp/too-large', message);
  }
  return { key, bytes };
}

async function readKeys(openpgp: Openpgp, file: Uint8Array): Promise<Key[]> {
  if (file.length > 8 * MAX_KEY_BYTES) throw new OpenpgpFault('openpgp/too-large', 'The file is too large for a key.');
  try {
    const config = strictConfig(openpgp);
    const armoredKeys = findArmor(file);
    return await (armoredKeys === undefined
      ? openpgp.readKeys({ binaryKeys: file, config })
      : openpgp.readKeys({ armoredKeys, config }));
  } catch (cause) {
    throw notAKey(cause);
  }
}

function notAKey(cause: unknown): OpenpgpFault {
  return new OpenpgpFault('openpgp/not-a-key', 'This is no OpenPGP key that can be read.', { cause });
}

/** The text, if the file is armored (RFC 9580 §6.2). */
export function findArmor(file: Uint8Array): string | undefined {
  const isArmored = (file[0] ?? 0x80) < 0x80; // packets begin with the highest bit set
  if (!isArmored) return undefined;
  try {
    return parseUtf8(file);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** Refuses a key that is weak, expired or revoked, or that can't sign; all this of the key or subkey that is asked for too. */
export async function requireUsable(openpgp: Openpgp, key: Key, now: Date, id?: KeyID): Promise<void> {
  const config = { ...openpgp.config, ...strictConfig(openpgp) };
  const subkey = key.getSubkeys().find((one) => id !== undefined && one.getKeyID().equals(id));
  for (const info of [key.getAlgorithmInfo(), ...(subkey ? [subkey.getAlgorithmInfo()] : [])]) {
    const weakness = findWeakness(info);
    if (weakness !== undefined) throw new OpenpgpFault('openpgp/weak-key', weakness);
  }
  if (await key.isRevoked(undefined, undefined, now, config)) {
    throw new OpenpgpFault('openpgp/key-revoked', 'Its holder has revoked the key.');
  }
  // What neither expires nor is revoked may still lack a self-signature that counts: then openpgp.js finds no time at all.
  const expiry = await key.getExpirationTime(undefined, config);
  if (isPast(expiry, now)) throw new OpenpgpFault('openpgp/key-expired', 'The key has expired.');
  if (subkey) {
    // Whoever made it: a key that its vendor registers with a revocation of anybody's is not in order.
    if (subkey.revocationSignatures.length > 0) {
      throw new OpenpgpFault('openpgp/key-revoked', 'The subkey that signed has been revoked.');
    }
    if (isPast(await subkey.getExpirationTime(now, config), now)) {
      throw new OpenpgpFault('openpgp/key-expired', 'The subkey that signed has expired.');
    }
  }
  try {
    await key.getSigningKey(id, now, undefined, config);
  } catch (cause) {
    const message =
      'The key has nothing to sign with, or says so by a signature that does not count, such as with SHA-1.';
    throw new OpenpgpFault('openpgp/weak-key', message, { cause });
  }
}

function isPast(time: Date | number | null, now: Date): boolean {
  return time instanceof Date && time <= now;
}
