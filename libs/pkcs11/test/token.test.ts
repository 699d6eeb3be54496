import { createHash, createPublicKey, verify } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePublicKey, verifySignature } from '@margo-trust/crypto';
import koffi from 'koffi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSoftHsm, PIN, SOFT_HSM, type SoftHsm } from '../../../test/soft-hsm.ts';
import { generateTokenKey, openTokenKey, parsePkcs11Uri, type TokenKeyType } from '../src/index.ts';

if (SOFT_HSM === undefined) console.warn('skipped: keys in tokens need SoftHSM (Debian: softhsm2, opensc)');

describe.skipIf(SOFT_HSM === undefined)('keys in a token', () => {
  let hsm: SoftHsm;
  const open = (object: string, pin: string | undefined = PIN) => openTokenKey(parsePkcs11Uri(hsm.uri(object)), pin);
  const generate = (object: string, type: TokenKeyType) => generateTokenKey(parsePkcs11Uri(hsm.uri(object)), type, PIN);

  beforeAll(() => {
    hsm = makeSoftHsm('locked');
  });
  afterAll(() => hsm.remove());

  it.each(['P-256', 'P-384', 'Ed25519'] as const)('%s: made there, sign there, and stay there', async (type) => {
    const { spki, algorithm } = await generate(`key-${type}`, type);
    const key = await open(`key-${type}`);
    expect([key.spki, key.algorithm]).toEqual([spki, algorithm]);

    const data = Buffer.from('what is signed');
    const signature = await key.sign(data);
    verifySignature({ algorithm, key: parsePublicKey(spki), data, signature });
    // OpenSSL by itself, without any of our code.
    const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
    const digest = { 'P-256': 'sha256', 'P-384': 'sha384', Ed25519: null }[type];
    expect(verify(digest, data, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);

    const listed = hsm.tool('--list-objects', '--type', 'privkey', '--label', `key-${type}`);
    expect(listed).toMatch(/Access: +sensitive, always sensitive, never extractable, local/);
  });

  it('a key made by another program is found, by label or by id', async () => {
    hsm.tool('--keypairgen', '--key-type', 'EC:secp384r1', '--label', 'theirs', '--id', 'c0ffee');
    const byLabel = await open('theirs');
    const uri = hsm.uri('theirs').replace('object=theirs', 'id=%c0%ff%ee');
    expect((await openTokenKey(parsePkcs11Uri(uri), PIN)).spki).toEqual(byLabel.spki);
  });

  it('what we sign, pkcs11-tool verifies with the public key in the token', async () => {
    const key = await generate('judged;id=%0a%0b', 'P-256');
    const [data, signature] = [join(hsm.directory, 'data'), join(hsm.directory, 'signature')];
    writeFileSync(data, createHash('sha256').update('judge me').digest());
    writeFileSync(signature, await key.sign(Buffer.from('judge me')));
    const args = ['--verify', '--mechanism', 'ECDSA', '--id', '0a0b', '--signature-format', 'rs'];
    expect(hsm.tool(...args, '--input-file', data, '--signature-file', signature)).toContain('Signature is valid');
  });

  it('a hundred at once through one token', async () => {
    const key = await generate('busy', 'P-256');
    const all = Array.from({ length: 100 }, (_, i) => Buffer.from(`number ${i}`));
    const signatures = await Promise.all(all.map((data) => key.sign(data)));
    const publicKey = parsePublicKey(key.spki);
    for (const [i, signature] of signatures.entries()) {
      verifySignature({ algorithm: 'ES256', key: publicKey, data: all[i]!, signature });
    }
  });

  it('the main thread goes on while the token signs', async () => {
    const key = await generate('slow', 'P-384');
    let ticks = 0;
    const ticking = setInterval(() => ticks++, 0);
    await Promise.all(Array.from({ length: 50 }, () => key.sign(Buffer.from('patience'))));
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(5); // blocking calls would let none of them run
  });

  it('a name that is taken is not taken again', async () => {
    await generate('once', 'P-256');
    await expect(generate('once', 'P-256')).rejects.toMatchObject({ code: 'pkcs11/key-exists' });
  });

  it('says what is missing', async () => {
    await expect(open('nobody')).rejects.toMatchObject({ code: 'pkcs11/key-not-found' });
    const elsewhere = parsePkcs11Uri(hsm.uri('nobody', 'elsewhere'));
    await expect(openTokenKey(elsewhere, PIN)).rejects.toMatchObject({ code: 'pkcs11/token-not-found' });
    const nothing = parsePkcs11Uri('pkcs11:token=t;object=o?module-path=/etc/passwd');
    await expect(openTokenKey(nothing, PIN)).rejects.toMatchObject({ code: 'pkcs11/module-unusable' });
  });

  it('two keys of one name are no key', async () => {
    for (const id of ['0a', '0b'])
      hsm.tool('--keypairgen', '--key-type', 'EC:prime256v1', '--label', 'twin', '--id', id);
    await expect(open('twin')).rejects.toMatchObject({ code: 'pkcs11/key-not-found' });
  });

  it('a key of another kind is refused', async () => {
    hsm.tool('--keypairgen', '--key-type', 'EC:secp521r1', '--label', 'large', '--id', '0521');
    await expect(open('large')).rejects.toMatchObject({ code: 'pkcs11/unsupported-key' });
  });

  it('a private key beside the public key of another one is refused', async () => {
    await generate('mixed;id=%01%02', 'P-256');
    const other = join(hsm.directory, 'other.der');
    writeFileSync(other, (await generate('other', 'P-256')).spki);
    hsm.tool('--delete-object', '--type', 'pubkey', '--id', '0102');
    hsm.tool('--write-object', other, '--type', 'pubkey', '--label', 'mixed', '--id', '0102');
    await expect(open('mixed')).rejects.toMatchObject({ code: 'pkcs11/key-mismatch' });
  });

  it('logs in anew when the token has closed all sessions', async () => {
    const key = await generate('lasting', 'P-256');
    const sign = () => Promise.all(Array.from({ length: 20 }, () => key.sign(Buffer.from('still here'))));
    await sign();
    closeAllSessions();
    const during = sign();
    for (const signature of [...(await during), ...(await sign())]) {
      const check = { algorithm: 'ES256', key: parsePublicKey(key.spki), data: Buffer.from('still here') } as const;
      verifySignature({ ...check, signature });
    }
  });

  it('the PIN comes from the file that the URI names; a wrong one is said to be wrong', async () => {
    const named = `${hsm.uri('inside', 'locked')}&pin-source=file:${hsm.pinFile}`;
    const wrong = parsePkcs11Uri(hsm.uri('inside', 'locked'));
    await expect(openTokenKey(wrong, '0000')).rejects.toMatchObject({ code: 'pkcs11/wrong-pin' });
    await expect(openTokenKey(wrong, '0000')).rejects.toMatchObject({ code: 'pkcs11/wrong-pin' });
    await expect(openTokenKey(wrong)).rejects.toMatchObject({ code: 'pkcs11/no-pin' });
    expect((await generateTokenKey(parsePkcs11Uri(named), 'P-256')).algorithm).toBe('ES256');
  });
});

/** What a token does that was pulled out and put back, as far as a token in files can: C_CloseAllSessions, on every slot. */
function closeAllSessions(): void {
  const library = koffi.load(SOFT_HSM!);
  const slots = [Buffer.alloc(8 * 8), Buffer.alloc(8)] as const;
  slots[1].writeBigUInt64LE(8n);
  expect(library.func('unsigned long C_GetSlotList(uint8_t, void *, void *)')(1, ...slots)).toBe(0);
  const close = library.func('unsigned long C_CloseAllSessions(unsigned long)');
  const count = Number(slots[1].readBigUInt64LE());
  for (let i = 0; i < count; i++) expect(close(slots[0].readBigUInt64LE(i * 8))).toBe(0);
}
