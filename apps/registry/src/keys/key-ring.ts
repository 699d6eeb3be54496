import { createPrivateKey, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type MlDsa44Key, openMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { StartError } from '../start-error.ts';
import { KeyObjectSigner } from './key-object-signer.ts';
import { decodeSeed } from './ml-dsa-key.ts';
import type { Signer } from './signer.ts';
import { keyFile, type KeySlot, keyTypeOf, ML_DSA_KEY_FILE } from './slots.ts';

/**
 * The service's keys, by slot. Reads files only; private keys never touch the database.
 * Trusted for: every signature the registry makes.
 */
export class KeyRing {
  private readonly loaded = new Map<KeySlot, Signer>();
  private mlDsa: { key: MlDsa44Key | undefined } | undefined;
  private readonly directory: string;
  private readonly passphrase: string | undefined;

  constructor(directory: string, passphrase?: string) {
    this.directory = directory;
    this.passphrase = passphrase;
  }

  /** Whether the key is here. Offline ones are, during the embedded ceremony only. */
  has(slot: KeySlot): boolean {
    return this.loaded.has(slot) || existsSync(join(this.directory, keyFile(slot)));
  }

  /** The signer of a slot. Throws when its file is missing, readable by others, locked, or of the wrong type. */
  load(slot: KeySlot): Signer {
    const known = this.loaded.get(slot);
    if (known !== undefined) return known;
    const path = join(this.directory, keyFile(slot));
    const signer = new KeyObjectSigner(readKey(path, this.passphrase));
    const type = keyTypeOf(slot);
    if (type === undefined || ALGORITHM[type] !== signer.algorithm)
      throw new StartError(`${path} must hold a key of type ${type}.`);
    this.loaded.set(slot, signer);
    return signer;
  }

  /** The log's ML-DSA-44 key; undefined if its file is missing, looked for once. Throws as {@link load} does. */
  findMlDsa44(): MlDsa44Key | undefined {
    this.mlDsa ??= { key: this.readMlDsa44(join(this.directory, ML_DSA_KEY_FILE)) };
    return this.mlDsa.key;
  }

  private readMlDsa44(path: string): MlDsa44Key | undefined {
    if (!existsSync(path)) return undefined;
    refuseOpen(path);
    const seed = decodeSeed(readFileSync(path, 'utf8'), this.passphrase);
    if (seed) return openMlDsa44(seed);
    throw new StartError(
      `${path} does not open: is it a PKCS#8 PEM of an ML-DSA-44 seed, and is KEYS_PASSPHRASE right?`,
    );
  }
}

const ALGORITHM = { Ed25519: 'Ed25519', 'P-256': 'ES256', 'P-384': 'ES384' } as const;

/** Reads a PKCS#8 PEM, refusing a file that others may read. */
export function readKey(path: string, passphrase?: string): KeyObject {
  if (!existsSync(path)) throw new StartError(`The key file ${path} is missing.`);
  refuseOpen(path);
  try {
    return createPrivateKey({ key: readFileSync(path), ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (cause) {
    throw new StartError(`${path} does not open: is it a PKCS#8 PEM, and is KEYS_PASSPHRASE right?`, { cause });
  }
}

function refuseOpen(path: string): void {
  if ((statSync(path).mode & 0o077) !== 0) throw new StartError(`${path} is open to others: run chmod 600 on it.`);
}
