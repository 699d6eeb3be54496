import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { StartError } from '../start-error.ts';
import { keyFile, type KeySlot, type KeyType, OFFLINE_SLOTS, ONLINE_SLOTS } from './slots.ts';

/** Marks a directory whose keys were made by {@link createDevelopmentKeys}: production refuses to use it. */
export const DEVELOPMENT_MARK = 'DEVELOPMENT';

/**
 * Makes every key that `directory` lacks, online and offline ones, as PKCS#8 PEM of mode 0600, and marks the directory.
 * The mark is written first: a crash never leaves development keys unmarked. Keys that exist stay as they are, and once the
 * set is whole a key that vanished is not made anew: what it signed would be signed by nobody any more.
 */
export function createDevelopmentKeys(directory: string, passphrase?: string): void {
  const slots = Object.entries({ ...ONLINE_SLOTS, ...OFFLINE_SLOTS }) as [KeySlot, KeyType][];
  const missing = slots.filter(([slot]) => !existsSync(join(directory, keyFile(slot))));
  if (missing.length === 0) return;
  const mark = join(directory, DEVELOPMENT_MARK);
  if (missing.length < slots.length && !existsSync(mark)) {
    throw new StartError(`Keys are missing in ${directory}, which is not a directory of development keys.`);
  }
  if (existsSync(mark) && readFileSync(mark, 'utf8').includes(WHOLE)) {
    const names = missing.map(([slot]) => keyFile(slot)).join(', ');
    throw new StartError(
      `${directory} once held ${names}. Put back what is missing, or begin anew with another DATA_DIR.`,
    );
  }

  mkdirSync(join(directory, 'offline'), { recursive: true, mode: 0o700 });
  writeFileSync(mark, MARK, { mode: 0o600 });
  for (const [slot, type] of missing) writeKey(join(directory, keyFile(slot)), generateKey(type), passphrase);
  writeFileSync(mark, `${MARK}${WHOLE}\n`, { mode: 0o600 });
}

const MARK = 'Made on first start, for development only.\n';
const WHOLE = 'The set is whole.';

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
