import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateTokenKey, openTokenKey, parsePkcs11Uri, Pkcs11Fault } from '@margo-trust/pkcs11';
import { encodeTimestampRequest, parseTimestampResponse, verifyTimestampToken } from '@margo-trust/timestamp';
import { openssl } from '@margo-trust/testkit';
import { parseCertificate, parsePem } from '@margo-trust/x509';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { admitVendor, call, issueTo, makeCsr, verifyWithOpenSsl } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { makeSoftHsm, PIN, SOFT_HSM, type SoftHsm } from '../../../../test/soft-hsm.ts';
import { KeyRing } from './key-ring.ts';
import { ONLINE_SLOTS, type OnlineSlot } from './slots.ts';
import { TokenSigner } from './token-signer.ts';

if (SOFT_HSM === undefined) console.warn('skipped: keys in tokens need SoftHSM (Debian: softhsm2, opensc)');

describe.skipIf(SOFT_HSM === undefined)('a registry whose online keys are in a token', () => {
  let hsm: SoftHsm;
  let keys: string;
  let registry: TestRegistry;
  let vendor: string;
  const slots = Object.entries(ONLINE_SLOTS) as [OnlineSlot, (typeof ONLINE_SLOTS)[OnlineSlot]][];

  beforeAll(async () => {
    hsm = makeSoftHsm();
    keys = mkdtempSync(join(tmpdir(), 'margo-token-keys-'));
    mkdirSync(keys, { recursive: true });
    for (const [slot, type] of slots) {
      await generateTokenKey(parsePkcs11Uri(hsm.uri(slot)), type, PIN);
      writeFileSync(join(keys, `${slot}.uri`), `${hsm.uri(slot)}\n`);
    }
    registry = await startTestRegistry({ env: { KEYS_DIR: keys, PKCS11_PIN: PIN } });
    vendor = await admitVendor(registry);
  });
  afterAll(async () => {
    await registry?.close();
    hsm?.remove();
    rmSync(keys, { recursive: true, force: true });
  });

  it('has no file with an online key', () => {
    const files = readdirSync(keys);
    expect(files.filter((file) => slots.some(([slot]) => file === `${slot}.pem`))).toEqual([]);
    for (const [slot] of slots) {
      const listed = hsm.tool('--list-objects', '--type', 'privkey', '--label', slot);
      expect(listed, slot).toContain('never extractable');
    }
  });

  it('issues certificates that openssl accepts, with its SCT, logged', async () => {
    const { certificate, entryId } = await issueTo(registry, vendor);
    expect((await verifyWithOpenSsl(registry, certificate)).output).toContain('leaf.pem: OK');
    const issuing = await fetch(`${registry.url}/ca/issuing-1.crt`);
    const { spki } = parseCertificate(new Uint8Array(await issuing.arrayBuffer()));
    expect((await openTokenKey(parsePkcs11Uri(hsm.uri('ca-issuing-1')), PIN)).spki).toEqual(spki);
    expect((await call(registry, 'get', `/api/v1/log/entries/${entryId}`)).status).toBe(200);
  });

  it('logs statements and gives receipts', async () => {
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, vendor, pem);
    const uri = parseCertificate(parsePem('CERTIFICATE', chain)[0]!).uriSans[0]!;
    const body = Buffer.from(signSomeArtifact(uri, key, chain));
    const registered = await fetch(`${registry.url}/entries`, {
      method: 'POST',
      headers: { 'content-type': 'application/cose' },
      body,
    });
    expect(registered.status, await registered.clone().text()).toBe(201);
  });

  it('stamps, and openssl verifies', async () => {
    const message = Buffer.from('what was signed');
    const imprint = new Uint8Array(createHash('sha256').update(message).digest());
    const response = await fetch(`${registry.url}/tsa`, {
      method: 'POST',
      headers: { 'content-type': 'application/timestamp-query' },
      body: Buffer.from(encodeTimestampRequest({ hash: 'SHA-256', imprint, certReq: true })),
    });
    const reply = new Uint8Array(await response.arrayBuffer());
    const ca = new Uint8Array(await (await fetch(`${registry.url}/ca/tsa-ca.crt`)).arrayBuffer());
    verifyTimestampToken(parseTimestampResponse(reply).token, message, { anchors: [ca] });
    const pem = openssl(['x509', '-inform', 'der', '-in', 'ca.der'], { 'ca.der': ca }).stdout;
    const files = { 'reply.tsr': reply, 'ca.pem': pem, data: message };
    const args = ['ts', '-verify', '-data', 'data', '-in', 'reply.tsr', '-CAfile', 'ca.pem'];
    expect(openssl(args, files).output).toContain('Verification: OK');
  });

  it.each([
    ['a URI that cannot be read', 'tsa-2.uri', 'nonsense', /bad-uri/],
    ['a key that is not there', 'tsa-2.uri', () => hsm.uri('nobody'), /key-not-found/],
    ['a key of another type', 'tsa-2.uri', () => hsm.uri('ca-issuing-1'), /must hold a key of type P-256/],
    ['a slot there is not', 'coffee.uri', () => hsm.uri('tsa'), /no key that we know/],
  ])('does not start with %s', async (_, file, text, message) => {
    const other = mkdtempSync(join(tmpdir(), 'margo-token-keys-'));
    writeFileSync(join(other, file), typeof text === 'string' ? text : text());
    await expect(new KeyRing(other, undefined, PIN).openTokens()).rejects.toThrow(message);
    rmSync(other, { recursive: true });
  });

  it('does not start with a key in two places', async () => {
    const other = mkdtempSync(join(tmpdir(), 'margo-token-keys-'));
    writeFileSync(join(other, 'tsa.uri'), hsm.uri('tsa'));
    writeFileSync(join(other, 'tsa.pem'), 'a key');
    await expect(new KeyRing(other, undefined, PIN).openTokens()).rejects.toThrow(/in one place/);
    rmSync(other, { recursive: true });
  });

  it('answers 503 with a code that names no token while one of its keys is out of reach', async () => {
    const signer = registry.app.get(KeyRing).load('ca-issuing-1');
    const { algorithm, spki } = signer;
    const failure = new Pkcs11Fault('pkcs11/token-failed', 'Token margo failed: C_Sign returned CKR_DEVICE_REMOVED.');
    const away = new TokenSigner({ algorithm, spki, sign: () => Promise.reject(failure) });
    const spy = vi.spyOn(signer, 'sign').mockImplementation((data) => away.sign(data));
    const { pem } = makeCsr();
    const ask = () => call(registry, 'post', `/api/v1/vendors/${vendor}/certificates`, 'victor', { csr: pem });
    const refused = await ask();
    spy.mockRestore();
    expect([refused.status, refused.body.code], refused.text).toEqual([503, 'key/unavailable']);
    expect(refused.text).not.toMatch(/token|softhsm|CKR/i);
    expect((await ask()).status).toBe(201); // the same certificate is finished
  });
});
