import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, mkdirSync, openSync, closeSync, fsyncSync, renameSync, writeFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { keyFile, type KeySlot, type KeyType, OFFLINE_SLOTS, ONLINE_SLOTS } from './slots.ts';

/** Marks a directory whose keys were made by {@link createDevelopmentKeys}: production refuses to use it. */
export const DEVELOPMENT_MARK = 'DEVELOPMENT';

/**
 * Makes every key that `directory` lacks, online and offline ones, as PKCS#8 PEM of mode 0600, and marks the directory.
 * The mark is written first: a crash never leaves development keys unmarked. Keys that exist stay as they are.
 */
export function createDevelopmentKeys(directory: string, passphrase?: string): void {
  const slots = Object.entries({ ...ONLINE_SLOTS, ...OFFLINE_SLOTS }) as [KeySlot, KeyType][];
  const missing = slots.filter(([slot]) => !existsSync(join(directory, keyFile(slot))));
  if (missing.length === 0) return;
  if (missing.length < slots.length && !existsSync(join(directory, DEVELOPMENT_MARK))) {
    throw new Error(`Keys are missing in ${directory}, which is not a directory of development keys.`);
  }

  mkdirSync(join(directory, 'offline'), { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, DEVELOPMENT_MARK), 'Made on first start, for development only.\n', { mode: 0o600 });
  for (const [slot, type] of missing) writeKey(join(directory, keyFile(slot)), generateKey(type), passphrase);
}

/** A new private key of this type. */
export function generateKey(type: KeyType): KeyObject {
  return type === 'Ed25519'
    ? generateKeyPairSync('ed25519').privateKey
    : generateKeyPairSync('ec', { namedCurve: type }).privateKey;
}

/** Writes a PKCS#8 PEM of mode 0600 that is whole or absent after a crash. */
export function writeKey(path: string, key: KeyObject, passphrase?: string): void {
  const cipher = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.draft`;
  rmSync(draft, { force: true });
  writeFileSync(draft, key.export({ type: 'pkcs8', format: 'pem', ...cipher }), {
    mode: 0o600,
    flag: 'wx',
    flush: true,
  });
  renameSync(draft, path);
  const directory = openSync(dirname(path), 'r');
  fsyncSync(directory);
  closeSync(directory);
}
