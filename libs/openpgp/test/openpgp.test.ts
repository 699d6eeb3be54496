import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  armorOpenpgpKey,
  readOpenpgpKey,
  verifyCleartext,
  verifyDetached,
  verifyProvenance,
} from '@margo-trust/openpgp';
import fc from 'fast-check';
import { generateKey, readPrivateKey, revokeKey, sign, createMessage } from 'openpgp';
import { beforeAll, describe, expect, it } from 'vitest';

/** Made by GnuPG: test/vectors/openpgp/make.sh. */
const vector = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(join(import.meta.dirname, '../../../test/vectors/openpgp', name)));
const NOW = new Date('2026-11-26T12:00:00Z');
const message = vector('message.txt');
const parse = (name: string, now = NOW) => readOpenpgpKey(vector(name), now);
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

describe('readOpenpgpKey', () => {
  it('reads what GnuPG exports', async () => {
    const key = await parse('ed25519.key.asc');
    expect(key).toMatchObject({
      fingerprint: expect.stringMatching(/^[0-9a-f]{40}$/),
      userIds: ['ed25519 <ed25519@example.com>'],
      createdAt: new Date('2026-11-01T12:00:00Z'),
    });
    expect(key.expiresAt).toBeUndefined();
    for (const name of ['p384', 'rsa3072', 'subkey'])
      expect((await parse(`${name}.key.asc`)).bytes.length).toBeGreaterThan(200);
  });

  it('reads it without armor too, and gives armor back', async () => {
    const key = await parse('rsa3072.key.asc');
    expect(await readOpenpgpKey(key.bytes, NOW)).toEqual(key);
    const armored = await armorOpenpgpKey(key.bytes);
    expect(armored).toContain('-----BEGIN PGP PUBLIC KEY BLOCK-----');
    expect(await readOpenpgpKey(text(armored), NOW)).toEqual(key);
  });

  it('says when a key expires', async () => {
    expect((await parse('expired.key.asc', new Date('2026-10-01T13:00:00Z'))).expiresAt).toEqual(
      new Date('2026-10-02T12:00:00Z'),
    );
  });

  it.each([
    ['DSA', 'dsa2048.key.asc', 'openpgp/weak-key'],
    ['RSA with 1024 bits', 'rsa1024.key.asc', 'openpgp/weak-key'],
    ['a curve that few know', 'brainpool.key.asc', 'openpgp/weak-key'],
    ['a key that names itself by SHA-1', 'sha1.key.asc', 'openpgp/weak-key'],
    ['an expired key', 'expired.key.asc', 'openpgp/key-expired'],
    ['a revoked key', 'revoked.key.asc', 'openpgp/key-revoked'],
    ['a private key', 'ed25519.private.asc', 'openpgp/private-key'],
    ['a signature', 'ed25519.asc', 'openpgp/not-a-key'],
    ['a text', 'message.txt', 'openpgp/not-a-key'],
  ])('refuses %s', async (_what, name, code) => {
    await expect(parse(name)).rejects.toMatchObject({ code });
  });

  it('refuses two keys at once, none, and what is too large', async () => {
    const [one, other] = [await parse('ed25519.key.asc'), await parse('stranger.key.asc')];
    const both = Buffer.concat([one.bytes, other.bytes]);
    await expect(readOpenpgpKey(new Uint8Array(both), NOW)).rejects.toMatchObject({ code: 'openpgp/not-a-key' });
    await expect(readOpenpgpKey(new Uint8Array(), NOW)).rejects.toMatchObject({ code: 'openpgp/not-a-key' });
    await expect(readOpenpgpKey(new Uint8Array(1 << 17), NOW)).rejects.toMatchObject({ code: 'openpgp/too-large' });
  });

  it('refuses a key that is not valid yet, since its self-signature is not', async () => {
    await expect(parse('ed25519.key.asc', new Date('2026-10-01T00:00:00Z'))).rejects.toMatchObject({
      code: 'openpgp/weak-key',
    });
  });

  it('reads keys of version 6', async () => {
    const { publicKey } = await generateKey({
      ...{ userIDs: { name: 'six' }, type: 'curve25519', date: new Date('2026-11-01T12:00:00Z') },
      config: { v6Keys: true },
    });
    expect((await readOpenpgpKey(text(publicKey), NOW)).fingerprint).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe('verifyDetached', () => {
  const keys: Record<string, Uint8Array> = {};
  beforeAll(async () => {
    for (const name of ['ed25519', 'p384', 'rsa3072', 'subkey']) keys[name] = (await parse(`${name}.key.asc`)).bytes;
  });
  const verify = (signature: string, key: Uint8Array = keys['ed25519']!, now = NOW) =>
    verifyDetached(message, vector(signature), [key], now);

  it.each(['ed25519', 'p384', 'rsa3072', 'subkey'])('accepts what GnuPG signed with %s', async (name) => {
    const { fingerprint, signedAt } = await verify(`${name}.sig`, keys[name]);
    expect(fingerprint).toBe((await parse(`${name}.key.asc`)).fingerprint);
    expect(signedAt).toEqual(new Date('2026-11-01T12:00:00Z'));
  });

  it('finds the key among several, and reads armor', async () => {
    await expect(verifyDetached(message, vector('ed25519.asc'), Object.values(keys), NOW)).resolves.toBeDefined();
  });

  it.each([
    ['somebody else’s key', 'stranger.sig', 'openpgp/wrong-key'],
    ['a digest that is SHA-1', 'digest-sha1.sig', 'openpgp/weak-signature'],
    ['a signature that has expired', 'expired.sig', 'openpgp/signature-expired'],
    ['a signature of tomorrow', 'future.sig', 'openpgp/bad-signature'],
    ['a key', 'ed25519.key.asc', 'openpgp/not-a-signature'],
    ['a text', 'message.txt', 'openpgp/not-a-signature'],
  ])('refuses %s', async (_what, name, code) => {
    await expect(verify(name)).rejects.toMatchObject({ code });
  });

  it.each([
    ['a weak key', 'rsa1024', 'rsa1024.sig', 'openpgp/weak-key'],
    ['DSA', 'dsa2048', 'dsa2048.sig', 'openpgp/weak-key'],
    ['a key that names itself by SHA-1', 'sha1', 'sha1.sig', 'openpgp/weak-key'],
    ['an expired key, though it was not when it signed', 'expired', 'expired-key.sig', 'openpgp/key-expired'],
    ['a revoked key, though it was not when it signed', 'revoked', 'revoked.sig', 'openpgp/key-revoked'],
    ['a revoked subkey', 'subkey-revoked', 'subkey.sig', 'openpgp/key-revoked'],
  ])('refuses %s', async (_what, key, signature, code) => {
    await expect(verify(signature, vector(`${key}.key.asc`))).rejects.toMatchObject({ code });
  });

  it('refuses every other file, and the signature with any bit flipped', async () => {
    await expect(
      verifyDetached(text('What is signed'), vector('ed25519.sig'), [keys['ed25519']!], NOW),
    ).rejects.toMatchObject({
      code: 'openpgp/bad-signature',
    });
    const good = vector('ed25519.sig');
    let harmless = 0;
    for (let bit = 0; bit < good.length * 8; bit += 1) {
      const flipped = Uint8Array.from(good);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      const outcome = await verifyDetached(message, flipped, [keys['ed25519']!], NOW).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toMatchObject({ code: expect.stringMatching(/^openpgp\//) });
      else harmless += 1;
    }
    // What is not signed: the unhashed issuer key id may be spelt otherwise, never the rest.
    expect(harmless).toBeLessThanOrEqual(16);
  });

  it('is satisfied with one good signature beside others', async () => {
    const many = Buffer.concat([vector('stranger.sig'), vector('digest-sha1.sig'), vector('ed25519.sig')]);
    await expect(verifyDetached(message, new Uint8Array(many), [keys['ed25519']!], NOW)).resolves.toBeDefined();
  });

  it('refuses a signature by a key that was revoked as compromised only now', async () => {
    const { privateKey } = await generateKey({ userIDs: { name: 'x' }, date: new Date('2026-11-01T12:00:00Z') });
    const signingKeys = await readPrivateKey({ armoredKey: privateKey });
    const signature = (await sign({
      ...{ message: await createMessage({ binary: message }), signingKeys, detached: true, format: 'binary' },
      date: new Date('2026-11-02T12:00:00Z'),
    })) as Uint8Array;
    const before = text(signingKeys.toPublic().armor());
    await expect(verifyDetached(message, signature, [before], NOW)).resolves.toBeDefined();
    const { publicKey } = await revokeKey({
      key: signingKeys,
      date: new Date('2026-11-20T12:00:00Z'),
      format: 'armored',
    });
    await expect(verifyDetached(message, signature, [text(publicKey)], NOW)).rejects.toMatchObject({
      code: 'openpgp/key-revoked',
    });
  });

  it('ends in a result or a Fault for arbitrary bytes, as key and as signature', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom('ed25519.sig', 'ed25519.key.asc'),
        async (noise, name) => {
          const base = Uint8Array.from(vector(name));
          base.set(noise.subarray(0, base.length), base.length - Math.min(noise.length, base.length));
          for (const bytes of [noise, base]) {
            const outcomes = await Promise.allSettled([
              verifyDetached(message, bytes, [keys['ed25519']!], NOW),
              verifyCleartext(bytes, [keys['ed25519']!], NOW),
              readOpenpgpKey(bytes, NOW),
            ]);
            for (const outcome of outcomes) {
              if (outcome.status === 'rejected')
                expect(outcome.reason).toMatchObject({ code: expect.stringMatching(/^openpgp\//) });
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('verifyProvenance', () => {
  const prov = vector('pump-1.0.0.tgz.prov');
  const chart = { name: 'pump-1.0.0.tgz', bytes: vector('pump-1.0.0.tgz') };
  let keys: Uint8Array[];
  beforeAll(async () => {
    keys = [(await parse('ed25519.key.asc')).bytes];
  });

  it('accepts the chart that was signed', async () => {
    const { signedAt } = await verifyProvenance(prov, chart, keys, NOW);
    expect(signedAt).toEqual(new Date('2026-11-01T12:00:00Z'));
  });

  it('refuses another chart, and another name', async () => {
    const code = 'openpgp/other-file';
    await expect(verifyProvenance(prov, { ...chart, bytes: text('x') }, keys, NOW)).rejects.toMatchObject({ code });
    await expect(verifyProvenance(prov, { ...chart, name: 'other.tgz' }, keys, NOW)).rejects.toMatchObject({ code });
  });

  it('reads only what was signed', async () => {
    const digest = '0'.repeat(64);
    const before = Buffer.concat([text(`files:\n  pump-1.0.0.tgz: sha256:${digest}\n\n`), prov]);
    await expect(verifyProvenance(new Uint8Array(before), chart, keys, NOW)).resolves.toBeDefined();
    const changed = text(Buffer.from(prov).toString().replace('version: 1.0.0', 'version: 1.0.1'));
    await expect(verifyProvenance(changed, chart, keys, NOW)).rejects.toMatchObject({ code: 'openpgp/bad-signature' });
  });

  it.each([
    ['no files', 'name: pump\n'],
    ['files twice', 'a: b\n\n...\nfiles: {}\n\n...\nfiles: {}\n'],
    ['a name twice', `a: b\n\n...\nfiles:\n  a: x\n  a: y\n`],
    ['no YAML', 'a: b\n\n...\n"\n'],
  ])('refuses a signed text with %s', async (_what, body) => {
    const { createCleartextMessage } = await import('openpgp');
    const { privateKey, publicKey } = await generateKey({
      userIDs: { name: 'x' },
      date: new Date('2026-11-01T12:00:00Z'),
    });
    const signingKeys = await readPrivateKey({ armoredKey: privateKey });
    const signed = await sign({ message: await createCleartextMessage({ text: body }), signingKeys, date: NOW });
    await expect(verifyProvenance(text(signed), chart, [text(publicKey)], NOW)).rejects.toMatchObject({
      code: 'openpgp/not-provenance',
    });
  });
});
