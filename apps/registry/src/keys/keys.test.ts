import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createPrivateKey, createPublicKey, verify } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDevelopmentKeys, generateKey, writeKey } from './development-keys.ts';
import { KeyObjectSigner } from './key-object-signer.ts';
import { KeyRing } from './key-ring.ts';
import { decodeSeed, encodeSeed } from './ml-dsa-key.ts';
import { keyFile, type KeySlot, ML_DSA_KEY_FILE, OFFLINE_SLOTS, ONLINE_SLOTS } from './slots.ts';

const SLOTS = Object.keys({ ...ONLINE_SLOTS, ...OFFLINE_SLOTS }) as KeySlot[];

describe('keys', () => {
  const parent = mkdtempSync(join(tmpdir(), 'margo-keys-'));
  const directory = join(parent, 'keys');
  beforeAll(() => createDevelopmentKeys(directory));
  afterAll(() => rmSync(parent, { recursive: true }));

  it('makes a different key for every slot, for its owner only, and marks the directory', () => {
    const ring = new KeyRing(directory);
    const keys = SLOTS.map((slot) => Buffer.from(ring.load(slot).spki).toString('hex'));
    expect(new Set(keys).size).toBe(SLOTS.length);
    for (const slot of SLOTS) expect(statSync(join(directory, keyFile(slot))).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(existsSync(join(directory, 'DEVELOPMENT'))).toBe(true);
    expect(readdirSync(join(directory, 'offline')).sort()).toEqual(
      Object.keys(OFFLINE_SLOTS)
        .map((s) => `${s}.pem`)
        .sort(),
    );
  });

  it('goes on where a crash cut it short, and leaves existing keys alone', () => {
    const cut = join(parent, 'cut');
    createDevelopmentKeys(cut);
    const before = readFileSync(join(cut, 'record.pem'), 'utf8');
    rmSync(join(cut, 'tsa.pem'));
    writeFileSync(join(cut, 'DEVELOPMENT'), 'Made on first start, for development only.\n');
    createDevelopmentKeys(cut);
    expect(readFileSync(join(cut, 'record.pem'), 'utf8')).toBe(before);
    expect(existsSync(join(cut, 'tsa.pem'))).toBe(true);
  });

  it('does not make a key anew that vanished from a whole set', () => {
    const robbed = join(parent, 'robbed');
    createDevelopmentKeys(robbed);
    createDevelopmentKeys(robbed);
    rmSync(join(robbed, 'log-receipt.pem'));
    expect(() => createDevelopmentKeys(robbed)).toThrow(/once held log-receipt\.pem/);
    expect(existsSync(join(robbed, 'log-receipt.pem'))).toBe(false);
  });

  it('says so when an earlier version made the set, which lacks a key of today', () => {
    const old = join(parent, 'old');
    createDevelopmentKeys(old);
    rmSync(join(old, 'log-sct.pem'));
    writeFileSync(join(old, 'DEVELOPMENT'), 'Made on first start, for development only.\nThe set is whole.\n');
    expect(() => createDevelopmentKeys(old)).toThrow(/made by an earlier version, without log-sct\.pem/);
    rmSync(join(old, 'tsa.pem'));
    expect(() => createDevelopmentKeys(old)).toThrow(/once held .*tsa\.pem/);
  });

  it('does not add development keys to a directory that is not marked', () => {
    const real = join(parent, 'real');
    writeKey(join(real, 'record.pem'), generateKey('P-256'));
    expect(() => createDevelopmentKeys(real)).toThrow(/not a directory of development keys/);
    expect(existsSync(join(real, 'tsa.pem'))).toBe(false);
  });

  it('encrypts them with a passphrase', () => {
    const locked = join(parent, 'locked');
    createDevelopmentKeys(locked, 'open sesame');
    expect(readFileSync(join(locked, 'record.pem'), 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    expect(new KeyRing(locked, 'open sesame').load('record').algorithm).toBe('ES256');
    expect(() => new KeyRing(locked, 'wrong').load('record')).toThrow(/KEYS_PASSPHRASE/);
    expect(() => new KeyRing(locked).load('record')).toThrow(/KEYS_PASSPHRASE/);
  });

  it('makes an ML-DSA-44 key beside them, also later, and not anew', () => {
    const later = join(parent, 'later');
    createDevelopmentKeys(later);
    const { publicKey } = new KeyRing(later).firstMlDsa44()!;
    expect(publicKey).toHaveLength(1312);
    createDevelopmentKeys(later);
    expect(new KeyRing(later).firstMlDsa44()?.publicKey).toEqual(publicKey);
    const file = join(later, ML_DSA_KEY_FILE);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    rmSync(file);
    expect(new KeyRing(later).firstMlDsa44()).toBeUndefined();
    expect(() => createDevelopmentKeys(later)).toThrow(/once held log-checkpoint-ml-dsa-44\.pem/);
    const mark = join(later, 'DEVELOPMENT');
    writeFileSync(mark, readFileSync(mark, 'utf8').replace(/Then came .*\n/, ''));
    createDevelopmentKeys(later);
    expect(existsSync(file)).toBe(true);
    chmodSync(file, 0o644);
    expect(() => new KeyRing(later).firstMlDsa44()).toThrow(/chmod 600/);
  });

  it('reads a seed as it was written, and OpenSSL knows the form of an encrypted one', () => {
    const seed = Uint8Array.from({ length: 32 }, (_, i) => i);
    expect(decodeSeed(encodeSeed(seed))).toEqual(Buffer.from(seed));
    const locked = encodeSeed(seed, 'open sesame');
    expect(decodeSeed(locked, 'open sesame')).toEqual(Buffer.from(seed));
    for (const passphrase of [undefined, 'wrong']) expect(decodeSeed(locked, passphrase)).toBeUndefined();
    for (const pem of ['', 'x', encodeSeed(seed).replace('BEGIN PRIVATE', 'BEGIN PUBLIC'), generatePem('P-256')]) {
      expect(decodeSeed(pem, 'open sesame')).toBeUndefined();
    }
    // Node knows the container, and stops at the kind of key that is in it.
    expect(() => createPrivateKey({ key: locked, passphrase: 'open sesame' })).toThrow(/unsupported/i);
    expect(() => createPrivateKey({ key: locked, passphrase: 'wrong' })).toThrow(/bad decrypt/i);
  });

  it('refuses a key that others may read, one that is missing, and one of the wrong type', () => {
    const loose = join(parent, 'loose');
    createDevelopmentKeys(loose);
    chmodSync(join(loose, 'record.pem'), 0o640);
    expect(() => new KeyRing(loose).load('record')).toThrow(/chmod 600/);
    rmSync(join(loose, 'tsa.pem'));
    expect(new KeyRing(loose).has('tsa')).toBe(false);
    expect(() => new KeyRing(loose).load('tsa')).toThrow(/missing/);
    writeFileSync(join(loose, 'tsa.pem'), readFileSync(join(loose, 'ca-issuing-1.pem')), { mode: 0o600 });
    expect(() => new KeyRing(loose).load('tsa')).toThrow(/must hold a key of type P-256/);
  });

  it.each([
    ['P-256', 'ES256', 'sha256', 64],
    ['P-384', 'ES384', 'sha384', 96],
    ['Ed25519', 'Ed25519', null, 64],
  ] as const)('signs with %s, raw or as DER', async (type, algorithm, digest, size) => {
    const signer = new KeyObjectSigner(generateKey(type));
    expect(signer.algorithm).toBe(algorithm);
    const data = Buffer.from('data');
    const key = createPublicKey({ key: Buffer.from(signer.spki), format: 'der', type: 'spki' });
    const raw = await signer.sign(data);
    expect(raw).toHaveLength(size);
    expect(verify(digest, data, { key, dsaEncoding: 'ieee-p1363' }, raw)).toBe(true);
    if (type !== 'Ed25519') expect(verify(digest, data, key, await signer.sign(data, 'der'))).toBe(true);
  });
});

function generatePem(type: 'P-256'): string {
  return generateKey(type).export({ type: 'pkcs8', format: 'pem' }) as string;
}
