import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readOpenpgpKey } from '@margo-trust/openpgp';
import { TEST_VENDOR_ID as ID, World } from '@margo-trust/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveWorld, type RegistryServer } from '../../../libs/client/test/registry-server.ts';
import { TestCli } from '../../../test/cli.ts';

const claims = { applicationIdPrefixes: ['com-example-'], ociNamespaces: ['registry.example/acme'] };
const vector = (name: string): string => join(import.meta.dirname, '../../../test/vectors/openpgp', name);
const NOW = new Date('2026-11-26T12:00:00Z');
const world = new World();
const vendor = world.vendor(ID);
const cli = new TestCli();
let registry: RegistryServer;
let trusted: string;
let cases = 0;

/** A trust root whose vendor has registered these keys. */
async function trustRootWith(keys: readonly string[], change: { status?: string } = {}): Promise<string> {
  const openpgpKeys = await Promise.all(
    keys.map(async (name) => {
      const { bytes } = await readOpenpgpKey(readFileSync(vector(name)), NOW);
      return world.openpgpKey(ID, bytes);
    }),
  );
  const set = world.trustRoot([world.published(vendor, claims, { ...change, openpgpKeys })]);
  registry.publish(set);
  const [directory, root] = [cli.path(`trust-${++cases}`), cli.path('root.json')];
  writeFileSync(root, set.initialRoot);
  const at = ['--trust-root', directory, '--registry', registry.url];
  const made = await cli.run(['root', 'init', '--root', root, '--vendor', ID, ...at], { now: NOW });
  expect(made.code, made.stderr).toBe(0);
  return directory;
}

beforeAll(async () => {
  registry = await serveWorld(world);
  trusted = await trustRootWith(['ed25519.key.asc']);
});
afterAll(async () => {
  await registry.close();
  rmSync(cli.home, { recursive: true, force: true });
});

const verify = (file: string, args: readonly string[], { trustRoot = trusted, json = true, now = NOW } = {}) =>
  cli.run(
    [
      'openpgp',
      'verify',
      file,
      '--vendor',
      ID,
      '--offline',
      '--trust-root',
      trustRoot,
      ...args,
      ...(json ? ['--json'] : []),
    ],
    { now },
  );

describe('openpgp verify', () => {
  it('27: a signature that verifies, and says why that is not trusted', async () => {
    const file = vector('message.txt');
    const done = await verify(file, ['--signature', vector('ed25519.sig')]);
    expect(done.code, done.stdout).toBe(27);
    expect(done.json()).toMatchObject({
      ...{ ok: false, trusted: false, verified: 'weakly', reason: expect.stringContaining('weaker than trusted') },
      finding: { vendorId: ID, signedAt: '2026-11-01T12:00:00Z', fingerprint: expect.stringMatching(/^[0-9a-f]{40}$/) },
    });
    const plain = await verify(file, ['--signature', vector('ed25519.asc')], { json: false });
    expect(plain.stdout).toMatch(/^verified weakly, not trusted: /);
    expect(plain.stdout).not.toMatch(/^trusted/m);
  });

  it('27: a chart by its provenance file', async () => {
    const done = await verify(vector('pump-1.0.0.tgz'), ['--prov', vector('pump-1.0.0.tgz.prov')]);
    expect(done.code, done.stdout).toBe(27);
  });

  it('is done by id and by URI, with a network too', async () => {
    const args = ['openpgp', 'verify', vector('message.txt'), '--signature', vector('ed25519.sig')];
    const at = ['--trust-root', trusted, '--registry', registry.url];
    expect((await cli.run([...args, '--vendor', vendor.uri, ...at], { now: NOW })).code).toBe(27);
  });

  it.each([
    ['12', 'another file', 'pump-1.0.0.tgz', ['--signature', 'ed25519.sig'], 'openpgp/bad-signature'],
    ['12', 'a key that the vendor has not', 'message.txt', ['--signature', 'stranger.sig'], 'openpgp/wrong-key'],
    ['12', 'SHA-1', 'message.txt', ['--signature', 'digest-sha1.sig'], 'openpgp/weak-signature'],
    ['12', 'no signature', 'message.txt', ['--signature', 'message.txt'], 'openpgp/not-a-signature'],
    ['12', 'another chart', 'message.txt', ['--prov', 'pump-1.0.0.tgz.prov'], 'openpgp/other-file'],
    ['21', 'a signature that has expired', 'message.txt', ['--signature', 'expired.sig'], 'openpgp/signature-expired'],
  ])('%s: %s', async (code, _what, file, [option, proof], fault) => {
    const done = await verify(vector(file), [option!, vector(proof!)]);
    expect([done.code, done.json()['code']]).toEqual([Number(code), fault]);
    expect(done.json()).toMatchObject({ ok: false, trusted: false, advice: expect.any(String) });
  });

  it('25: a vendor that is unknown, or suspended; 12: one without keys', async () => {
    const args = ['--signature', vector('ed25519.sig')];
    expect((await verify(vector('message.txt'), [...args, '--vendor', 'nobody'])).code).toBe(25);
    const suspended = await trustRootWith(['ed25519.key.asc'], { status: 'suspended' });
    expect((await verify(vector('message.txt'), args, { trustRoot: suspended })).code).toBe(25);
    const none = await trustRootWith([]);
    expect((await verify(vector('message.txt'), args, { trustRoot: none })).code).toBe(12);
  });

  it('21: a key that has expired since', async () => {
    const trustRoot = await trustRootWith(['ed25519.key.asc']);
    const at = new Date('2026-10-01T13:00:00Z');
    const { bytes } = await readOpenpgpKey(readFileSync(vector('expired.key.asc')), at);
    const set = world.trustRoot([world.published(vendor, claims, { openpgpKeys: [world.openpgpKey(ID, bytes)] })]);
    registry.publish(set);
    const [directory, root] = [cli.path(`trust-${++cases}`), cli.path('root.json')];
    writeFileSync(root, set.initialRoot);
    await cli.run(['root', 'init', '--root', root, '--trust-root', directory, '--registry', registry.url], {
      now: NOW,
    });
    const args = ['--signature', vector('expired-key.sig')];
    expect((await verify(vector('message.txt'), args, { trustRoot: directory })).code).toBe(21);
    expect((await verify(vector('message.txt'), args, { trustRoot })).code, 'a stranger’s').toBe(12);
  });

  it('2: with neither signature nor provenance, or with both', async () => {
    const file = vector('message.txt');
    expect((await verify(file, [])).code).toBe(2);
    expect((await verify(file, ['--signature', file, '--prov', file])).code).toBe(2);
    expect((await cli.run(['openpgp', 'verify', file, '--signature', file])).code).toBe(2);
  });

  it('22: without the file of the vendor', async () => {
    const directory = cli.path(`trust-${++cases}`);
    mkdirSync(directory);
    const at = ['--trust-root', directory, '--registry', registry.url];
    await cli.run(['root', 'init', '--root', cli.path('root.json'), '--vendor', ...at], { now: NOW });
    const done = await verify(vector('message.txt'), ['--signature', vector('ed25519.sig')], { trustRoot: directory });
    expect(done.code, done.stdout).toBe(22);
  });
});

describe('openpgp register, list and withdraw', () => {
  const path = `/api/v1/vendors/${ID}/openpgp-keys`;
  const at = () => ['--vendor', ID, '--token', 't', '--registry', registry.url];
  const answer = (value: object) => ({ body: JSON.stringify(value) });

  it('send what is meant', async () => {
    const sent: unknown[] = [];
    registry.answers.set(`POST ${path}`, (body) => {
      sent.push(JSON.parse(body.toString()));
      return answer({ fingerprint: 'f0', entryId: 'e' });
    });
    registry.answers.set(`GET ${path}`, () => answer({ items: [{ fingerprint: 'f0', registeredAt: 'now' }] }));
    registry.answers.set(`DELETE ${path}/f0ab`, (body) => {
      sent.push(body.toString());
      return { status: 204, body: '' };
    });
    const registered = await cli.run(['openpgp', 'register', vector('ed25519.key.asc'), ...at()]);
    expect(registered.code, registered.stderr).toBe(0);
    expect(sent).toEqual([{ key: readFileSync(vector('ed25519.key.asc'), 'utf8').trim() }]);
    const listed = await cli.run(['openpgp', 'list', ID, '--registry', registry.url]);
    expect(listed.stdout).toContain('f0');
    expect((await cli.run(['openpgp', 'withdraw', 'F0 AB', ...at()])).code).toBe(0);
    expect(sent).toHaveLength(2);
  });
});
