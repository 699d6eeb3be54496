import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { loadTrustRoot, updateTrustRoot } from '@margo-trust/client';
import { readOpenpgpKey, verifyDetached } from '@margo-trust/openpgp';
import { parseStatement } from '@margo-trust/statement';
import { parseTrustRoot, Verifier } from '@margo-trust/verifier';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generateOpenpgpKey, type TestOpenpgpKey } from '../../../../../test/openpgp.ts';
import { addMember, admitVendor, call } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { IssueCrl } from '../../revocation/issue-crl.ts';
import { PublishTrustRoot } from '../../trust-root/publish-trust-root.ts';

let registry: TestRegistry;
let vendor: string;
let key: TestOpenpgpKey;
let directory: string;

beforeAll(async () => {
  registry = await startTestRegistry();
  vendor = await admitVendor(registry);
  key = await generateOpenpgpKey();
  directory = await mkdtemp(join(tmpdir(), 'margo-openpgp-'));
});
afterAll(async () => {
  await registry?.close();
  await rm(directory, { recursive: true, force: true });
});

const keysOf = (id: string) => `/api/v1/vendors/${id}/openpgp-keys`;
const register = (id: string, armored: string, account = 'victor') =>
  call(registry, 'post', keysOf(id), account, { key: armored });
const vector = (name: string) =>
  readFile(join(import.meta.dirname, '../../../../../test/vectors/openpgp', name), 'utf8');

/** What a device knows that updates now. */
async function deviceVerifier(): Promise<Verifier> {
  await registry.app.get(IssueCrl).run();
  await registry.app.get(PublishTrustRoot).run();
  const initialRoot = new Uint8Array(await (await fetch(`${registry.url}/tuf/1.root.json`)).arrayBuffer());
  await updateTrustRoot({ source: `${registry.url}/tuf`, directory, initialRoot, now: new Date() });
  return new Verifier(parseTrustRoot(await loadTrustRoot(directory, { now: new Date() })));
}

describe('an OpenPGP key', () => {
  const file = new TextEncoder().encode('a chart');
  const digest = `sha256:${encodeHex(sha256(file))}`;

  it('is registered by an owner, shown to everybody, and on record without its names', async () => {
    const answer = await register(vendor, key.armored);
    expect(answer.status, answer.text).toBe(201);
    expect(answer.headers['location']).toBe(`${keysOf(vendor)}/${key.fingerprint}`);
    expect(answer.body).toMatchObject({ fingerprint: key.fingerprint, vendorId: vendor });
    const { items } = (await call(registry, 'get', keysOf(vendor))).body as {
      items: { key: string; entryId: string }[];
    };
    expect(items).toEqual([answer.body]);
    const shown = await readOpenpgpKey(new TextEncoder().encode(items[0]!.key), new Date());
    expect(shown.fingerprint).toBe(key.fingerprint);

    const record = await fetch(`${registry.url}/entries/${items[0]!.entryId}/statement`);
    const text = Buffer.from(parseStatement(new Uint8Array(await record.arrayBuffer())).payload).toString();
    expect(JSON.parse(text)).toMatchObject({
      ...{ record: 'openpgp-key-registered', vendor, fingerprint: key.fingerprint },
      keySha256: encodeHex(sha256(shown.bytes)),
    });
    expect(text).not.toContain('example.com');
  });

  it('reaches devices with the trust root, proven, and verifies what it signed', async () => {
    const { vendor: found, keys } = (await deviceVerifier()).openpgpKeys(vendor, digest);
    expect(found.id).toBe(vendor);
    expect([...keys.keys()]).toEqual([key.fingerprint]);
    const signature = await key.sign(file);
    expect(await verifyDetached(file, signature, [...keys.values()], new Date())).toMatchObject({
      fingerprint: key.fingerprint,
    });
  });

  it('belongs to one vendor', async () => {
    expect((await register(vendor, key.armored)).body).toMatchObject({ code: 'openpgp/key-taken' });
    const other = await admitVendor(registry);
    const answer = await register(other, key.armored);
    expect([answer.status, (answer.body as { code: string }).code]).toEqual([409, 'openpgp/key-taken']);
  });

  it('is no longer known to devices once withdrawn, is forgotten, and comes back for nobody', async () => {
    await addMember(registry, vendor, 'vera', 'security');
    const path = `${keysOf(vendor)}/${key.fingerprint}`;
    expect((await call(registry, 'delete', path, 'vera')).status).toBe(204);
    expect((await call(registry, 'get', keysOf(vendor))).body).toEqual({ items: [] });
    expect((await deviceVerifier()).openpgpKeys(vendor, digest).keys.size).toBe(0);
    expect((await call(registry, 'delete', path, 'vera')).body).toMatchObject({ code: 'openpgp/key-not-found' });
    expect((await register(vendor, key.armored)).body).toMatchObject({ code: 'openpgp/key-taken' });
    const [row] = await registry.source.query<{ key: Buffer | null }[]>(
      'SELECT key FROM openpgp_key WHERE fingerprint = $1',
      [key.fingerprint],
    );
    expect(row).toEqual({ key: null });
  });

  it.each([
    ['dsa2048.key.asc', 'openpgp/weak-key'],
    ['rsa1024.key.asc', 'openpgp/weak-key'],
    ['sha1.key.asc', 'openpgp/weak-key'],
    ['expired.key.asc', 'openpgp/key-expired'],
    ['revoked.key.asc', 'openpgp/key-revoked'],
    ['ed25519.private.asc', 'http/invalid-body'],
  ])('is refused and leaves no record: %s', async (name, code) => {
    const size = async () => ((await call(registry, 'get', '/api/v1/log')).body as { size: string }).size;
    const before = await size();
    const answer = await register(vendor, await vector(name));
    expect([answer.status, (answer.body as { code: string }).code], answer.text).toEqual([422, code]);
    expect(await size()).toBe(before);
  });

  it('is refused from a vendor that is not active, and beyond five', async () => {
    const fresh = await admitVendor(registry);
    for (let n = 0; n < 5; n += 1)
      expect((await register(fresh, (await generateOpenpgpKey()).armored)).status).toBe(201);
    const sixth = await register(fresh, (await generateOpenpgpKey()).armored);
    expect(sixth.body).toMatchObject({ code: 'openpgp/too-many-keys' });
    await call(registry, 'post', `/api/v1/vendors/${fresh}/suspension`, 'alice', { reason: 'Test.' });
    const refused = await register(fresh, (await generateOpenpgpKey()).armored);
    expect(refused.body).toMatchObject({ code: 'openpgp/vendor-not-active' });
  });

  it('is registered once, by whichever of two vendors comes first', async () => {
    const [one, other] = [await admitVendor(registry), await admitVendor(registry)];
    const { armored } = await generateOpenpgpKey();
    const answers = await Promise.all([register(one, armored), register(other, armored)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  it('is only withdrawn in the database, and never deleted', async () => {
    const { query } = registry.source;
    await expect(query.call(registry.source, `UPDATE openpgp_key SET vendor_id = vendor_id || 'x'`)).rejects.toThrow();
    await expect(query.call(registry.source, 'DELETE FROM openpgp_key')).rejects.toThrow();
  });
});
