import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
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
import { encodeSeed } from './ml-dsa-key.ts';
import {
  keyFile,
  type KeySlot,
  type KeyType,
  keyUriFile,
  LOG_SLOTS,
  ML_DSA_KEY_FILE,
  OFFLINE_SLOTS,
  ONLINE_SLOTS,
} from './slots.ts';

/** Marks a directory whose keys were made by {@link createDevelopmentKeys}: production refuses to use it. */
export const DEVELOPMENT_MARK = 'DEVELOPMENT';

/**
 * Makes every key that `directory` lacks, online and offline ones, as PKCS#8 PEM of mode 0600, and marks the directory.
 * A key that a URI says is in a token is there. The mark is written first: a crash never leaves development keys unmarked. Keys that exist stay as they are, and once the
 * set is whole a key that vanished is not made anew: what it signed would be signed by nobody any more.
 */
export function createDevelopmentKeys(directory: string, passphrase?: string): void {
  createSlots(directory, passphrase);
  createMlDsaKey(directory, passphrase);
}

/** Makes the keys of a log of its own name, in its directory, where they are not there; also marked, and for development only. */
export function createDevelopmentLogKeys(directory: string, passphrase?: string): void {
  const missing = LOG_SLOTS.filter(
    (slot) => !existsSync(join(directory, keyFile(slot))) && !existsSync(join(directory, keyUriFile(slot))),
  );
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeFileSync(join(directory, DEVELOPMENT_MARK), MARK, { mode: 0o600 });
  for (const slot of missing) writeKey(join(directory, keyFile(slot)), generateKey(ONLINE_SLOTS[slot]), passphrase);
  const mlDsa = join(directory, ML_DSA_KEY_FILE);
  if (!existsSync(mlDsa)) writeMlDsaKey(mlDsa, passphrase);
}

/** Unlike the others it may come later, since nothing depends on it; but once made it must not vanish either. */
function createMlDsaKey(directory: string, passphrase?: string): void {
  const [path, mark] = [join(directory, ML_DSA_KEY_FILE), join(directory, DEVELOPMENT_MARK)];
  if (existsSync(path) || !existsSync(mark)) return;
  const text = readFileSync(mark, 'utf8');
  if (text.includes(ML_DSA_KEY_FILE)) {
    throw new StartError(
      `${directory} once held ${ML_DSA_KEY_FILE}. Put it back, or begin anew with another DATA_DIR.`,
    );
  }
  writeMlDsaKey(path, passphrase);
  writeFileSync(mark, `${text}Then came ${ML_DSA_KEY_FILE}.\n`, { mode: 0o600 });
}

function createSlots(directory: string, passphrase?: string): void {
  const slots = Object.entries({ ...ONLINE_SLOTS, ...OFFLINE_SLOTS }) as [KeySlot, KeyType][];
  const isThere = (file: string) => existsSync(join(directory, file));
  const missing = slots.filter(([slot]) => !isThere(keyFile(slot)) && !isThere(keyUriFile(slot)));
  if (missing.length === 0) return;
  const mark = join(directory, DEVELOPMENT_MARK);
  if (slots.some(([slot]) => isThere(keyFile(slot))) && !existsSync(mark)) {
    throw new StartError(`Keys are missing in ${directory}, which is not a directory of development keys.`);
  }
  const held = existsSync(mark) ? wholeSet(readFileSync(mark, 'utf8')) : [];
  if (held.length > 0) {
    const names = missing.map(([slot]) => keyFile(slot));
    const hasVanished = names.some((name) => held.includes(name));
    throw new StartError(
      hasVanished
        ? `${directory} once held ${names.join(', ')}. Put back what is missing, or begin anew with another DATA_DIR.`
        : `${directory} was made by an earlier version, without ${names.join(', ')}, which a registry cannot get later. ` +
            'Begin anew with another DATA_DIR.',
    );
  }

  mkdirSync(join(directory, 'offline'), { recursive: true, mode: 0o700 });
  writeFileSync(mark, MARK, { mode: 0o600 });
  for (const [slot, type] of missing) writeKey(join(directory, keyFile(slot)), generateKey(type), passphrase);
  writeFileSync(mark, `${MARK}${WHOLE}: ${slots.map(([slot]) => keyFile(slot)).join(' ')}\n`, { mode: 0o600 });
}

const MARK = 'Made on first start, for development only.\n';
const WHOLE = 'The set is whole';

/** Files of a whole set, by its mark; none if it never was. Earlier versions only said that it is whole. */
function wholeSet(mark: string): readonly string[] {
  const line = mark.split('\n').find((candidate) => candidate.startsWith(WHOLE));
  if (line === undefined) return [];
  return line === `${WHOLE}.` ? FIRST_SET : line.slice(WHOLE.length + 2).split(' ');
}

/** What earlier versions made: all but the key of SCTs. */
const FIRST_SET = ([...Object.keys(ONLINE_SLOTS), ...Object.keys(OFFLINE_SLOTS)] as KeySlot[])
  .filter((slot) => slot !== 'log-sct')
  .map(keyFile);

/** A new private key of this type. */
export function generateKey(type: KeyType): KeyObject {
  return type === 'Ed25519'
    ? generateKeyPairSync('ed25519').privateKey
    : generateKeyPairSync('ec', { namedCurve: type }).privateKey;
}

/** Writes a PKCS#8 PEM of mode 0600 that is whole or absent after a crash. */
export function writeKey(path: string, key: KeyObject, passphrase?: string): void {
  const cipher = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  writePem(path, key.export({ type: 'pkcs8', format: 'pem', ...cipher }) as string);
}

/** Writes a new ML-DSA-44 key in the same way. */
export function writeMlDsaKey(path: string, passphrase?: string): void {
  writePem(path, encodeSeed(randomBytes(32), passphrase));
}

function writePem(path: string, pem: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.draft`;
  rmSync(draft, { force: true });
  writeFileSync(draft, pem, { mode: 0o600, flag: 'wx', flush: true });
  renameSync(draft, path);
  const directory = openSync(dirname(path), 'r');
  fsyncSync(directory);
  closeSync(directory);
}
