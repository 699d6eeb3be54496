import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  artifactFinder,
  loadApplication,
  openIdentity,
  openPrivateKey,
  signApplication,
  signArtifact,
  type SigningContext,
} from '@margo-trust/client';
import { attachReferrer, attachSignature, OciLayout, type Descriptor } from '@margo-trust/oci';
import { attachToStatement, parseStatement } from '@margo-trust/statement';
import { makeKey, World, type TestVendor } from '@margo-trust/testkit';
import {
  assembleMetadata,
  draftMetadata,
  draftTimestamp,
  tufKeyFromSpki,
  tufSignature,
  type TufFileSet,
} from '@margo-trust/tuf';
import { encodePem } from '@margo-trust/x509';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { packPump } from '../../../libs/client/test/packages.ts';
import { pathsOf, serveWorld, type RegistryServer } from '../../../libs/client/test/registry-server.ts';
import { TestCli } from '../../../test/cli.ts';

const ID = '01jd5x7m8n9p0q1r2s3t4v5w6x';
const claims = { applicationIdPrefixes: ['com-example-'], ociNamespaces: ['registry.example/acme'] };
const world = new World();
const vendor = world.vendor(ID);
const published = world.published(vendor, claims);
const NOW = world.later(60);
const cli = new TestCli();
let registry: RegistryServer;
let signed: string;
let pump: Descriptor;
let cases = 0;

function contextOf({ key, chain }: TestVendor): SigningContext {
  const signer = openPrivateKey(key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  const identity = openIdentity(signer, chain.map((der) => encodePem('CERTIFICATE', der)).join(''));
  return { identity, registry: { url: registry.url }, now: () => world.now, agent: 'margo-trust/test' };
}

/** A trust root directory as `root init` would have made it. */
function keepTrustRoot(set: TufFileSet): string {
  const directory = cli.path(`trust-root-${++cases}`);
  for (const [path, bytes] of [...pathsOf(set), ['initial.root.json', set.initialRoot] as const]) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), bytes);
  }
  return directory;
}

beforeAll(async () => {
  registry = await serveWorld(world);
  signed = cli.path('signed.oci');
  const layout = await OciLayout.create(signed);
  pump = await packPump(layout);
  const find = artifactFinder(layout);
  const application = await loadApplication({ package: { place: layout, descriptor: pump }, find });
  await signApplication({ application, claims }, contextOf(vendor));
});
afterAll(async () => {
  await registry.close();
  rmSync(cli.home, { recursive: true, force: true });
});

let trusted: string;
beforeEach(() => {
  trusted = keepTrustRoot(world.trustRoot([published]));
});

const verify = (target: string, trustRoot: string, ...more: string[]) =>
  cli.run(['verify', target, '--offline', '--trust-root', trustRoot, ...more, '--json'], { now: NOW });

/** A copy of the package alone, to be signed by the test. */
async function unsignedCopy(): Promise<{ layout: OciLayout; path: string }> {
  const path = cli.path(`copy-${++cases}.oci`);
  const layout = await OciLayout.create(path);
  await packPump(layout);
  return { layout, path };
}

describe('exit codes of a verdict', () => {
  it('0: trusted, with the release', async () => {
    const { code, json } = await verify(`${signed}:1.0.0`, trusted);
    expect(code).toBe(0);
    expect(json()).toMatchObject({
      ok: true,
      trusted: true,
      release: { applicationId: 'com-example-pump', version: '1.0.0' },
      finding: { vendorId: ID, log: { origin: 'log.registry.example' } },
    });
    expect((await verify(signed, trusted, '--release')).code).toBe(0);
  });

  it('10: unsigned', async () => {
    const { path } = await unsignedCopy();
    expect(await verify(path, trusted)).toMatchObject({ code: 10 });
  });

  it('11: artifact, tag or file not found', async () => {
    for (const target of [
      `${signed}:9.9.9`,
      `${signed}@sha256:${'0'.repeat(64)}`,
      cli.path('nowhere.oci'),
      'nowhere',
    ]) {
      expect((await verify(target, trusted)).code, target).toBe(11);
    }
    expect((await cli.run(['bundle', 'verify', cli.path('no.bundle')])).code).toBe(11);
  });

  it('12: no signature that verifies', async () => {
    const { layout, path } = await unsignedCopy();
    const { envelope } = await firstSignature();
    envelope[envelope.length - 1]! ^= 1;
    await attachSignature(layout, { subject: pump, envelope, chain: [...vendor.chain] });
    const { code, json } = await verify(path, trusted);
    expect(code).toBe(12);
    expect(json()).toMatchObject({ ok: false, trusted: false, code: 'crypto/bad-signature', exitCode: 12 });
  });

  it('12: junk that calls itself a signature', async () => {
    const { layout, path } = await unsignedCopy();
    await attachSignature(layout, { subject: pump, envelope: Uint8Array.of(1, 2), chain: [vendor.certificate.der] });
    expect((await verify(path, trusted)).code).toBe(12);
    const other = await unsignedCopy();
    await attachReferrer(other.layout, {
      subject: pump,
      artifactType: 'application/vnd.cncf.notary.signature',
      layers: [],
    });
    expect((await verify(other.path, trusted)).code).toBe(12);
  });

  it('13: no certificate', async () => {
    const { layout, path } = await unsignedCopy();
    const { envelope } = await firstSignature();
    const bare = attachToStatement(parseStatement(envelope).stripped, {
      receipts: [...parseStatement(envelope).receipts],
    });
    await attachSignature(layout, { subject: pump, envelope: bare, chain: [...vendor.chain] });
    expect((await verify(path, trusted)).code).toBe(13);
  });

  it.each([
    ['certificate', { certificates: [{ fingerprint: vendor.certificate.fingerprint }] }],
    ['vendor', { vendors: [{ id: ID }] }],
  ])('20: revoked %s', async (_what, revoked) => {
    const entries = Object.entries(revoked).map(([kind, [item]]) => [
      kind,
      [{ ...item, reason: 'keyCompromise', revokedAt: '2026-11-21T00:00:00Z' }],
    ]);
    const trustRoot = keepTrustRoot(world.trustRoot([published], Object.fromEntries(entries) as object));
    expect((await verify(`${signed}:1.0.0`, trustRoot)).code).toBe(20);
  });

  it('21: expired when it was logged', async () => {
    const past = world.vendor('01jd5x7m8n9p0q1r2s3t4v5w6a', { notAfter: world.later(-60) });
    const trustRoot = keepTrustRoot(world.trustRoot([world.published(past, claims)]));
    const { layout, path } = await unsignedCopy();
    await signArtifact({ place: layout, descriptor: pump }, contextOf(past));
    expect((await verify(path, trustRoot)).code).toBe(21);
  });

  it('22: trust root stale, only where policy asks', async () => {
    const late = { now: world.later(400 * 86_400) };
    const args = ['verify', `${signed}:1.0.0`, '--offline', '--trust-root', trusted];
    expect((await cli.run(args, late)).code).toBe(0);
    expect((await cli.run([...args, '--max-age', '7d'], late)).code).toBe(22);
    expect((await cli.run([...args, '--max-age', '7d'], { now: NOW })).code).toBe(0);
    expect((await cli.run([...args, '--max-age', '7d'], { now: new Date(0) })).code, 'a clock in 1970').toBe(22);
  });

  it('23: not logged', async () => {
    const { layout, path } = await unsignedCopy();
    const { envelope } = await firstSignature();
    const unlogged = attachToStatement(parseStatement(envelope).stripped, { chain: [...vendor.chain] });
    await attachSignature(layout, { subject: pump, envelope: unlogged, chain: [...vendor.chain] });
    expect((await verify(path, trusted)).code).toBe(23);
    const strange = world.withReceipt(envelope, world.now, makeKey('P-256'));
    const other = await unsignedCopy();
    await attachSignature(other.layout, { subject: pump, envelope: strange, chain: [...vendor.chain] });
    expect((await verify(other.path, trusted)).code).toBe(23);
  });

  it('24: another registry’s initial root', async () => {
    const stranger = cli.path('stranger.json');
    writeFileSync(stranger, new World().trustRoot([]).initialRoot);
    registry.publish(world.trustRoot([published]));
    const { code } = await cli.run([
      'root',
      'init',
      '--root',
      stranger,
      '--trust-root',
      trusted,
      '--registry',
      registry.url,
    ]);
    expect(code).toBe(24);
  });

  it('24: a source that goes back behind what was seen', async () => {
    const newer = keepTrustRoot(secondVersion(world.trustRoot([published])));
    registry.publish(world.trustRoot([published]));
    for (const args of [
      ['root', 'update'],
      ['verify', signed],
    ]) {
      const { code, stderr } = await cli.run([...args, '--trust-root', newer, '--registry', registry.url], {
        now: NOW,
      });
      expect(code, stderr).toBe(24);
    }
  });

  it.each([
    ['a vendor nobody knows', []],
    ['a vendor that is suspended', [world.published(vendor, claims, { status: 'suspended' })]],
    [
      'an application id that was never granted',
      [world.published(vendor, { ...claims, applicationIdPrefixes: ['x-'] })],
    ],
  ])('25: %s', async (_what, vendors) => {
    const trustRoot = keepTrustRoot(world.trustRoot(vendors));
    expect((await verify(signed, trustRoot, '--release')).code).toBe(25);
  });

  it('25: what local policy demands and is not there', async () => {
    expect((await verify(signed, trusted, '--vendor', ID)).code).toBe(0);
    expect((await verify(signed, trusted, '--vendor', vendor.uri)).code).toBe(0);
    expect(await verify(signed, trusted, '--vendor', 'somebody')).toMatchObject({ code: 25 });
    const { layout, path } = await unsignedCopy();
    await signArtifact({ place: layout, descriptor: pump }, contextOf(vendor));
    expect((await verify(path, trusted)).json()).toMatchObject({ trusted: true, notes: [expect.any(String)] });
    const { code, json } = await verify(path, trusted, '--release');
    expect([code, json()['code']]).toEqual([25, 'policy/no-release']);
  });

  it('1: a trust root that is damaged', async () => {
    writeFileSync(join(trusted, 'timestamp.json'), '{}');
    expect((await verify(signed, trusted)).code).toBe(1);
  });
});

describe('verify', () => {
  it('judges a statement in a file', async () => {
    const { envelope } = await firstSignature();
    const path = cli.path('statement.cose');
    writeFileSync(path, envelope);
    expect((await verify(path, trusted)).code).toBe(0);
    writeFileSync(path, envelope.subarray(0, -1));
    expect((await verify(path, trusted)).code).toBe(12);
  });

  it('offline, writes nothing anywhere near', async () => {
    const listing = (): string[] =>
      readdirSync(cli.home, { recursive: true, encoding: 'utf8' })
        .map((name) => `${name} ${statSync(join(cli.home, name)).mtimeMs}`)
        .sort();
    const before = listing();
    expect((await verify(`${signed}:1.0.0`, trusted, '--release')).code).toBe(0);
    expect(listing()).toEqual(before);
  });

  it('says to copy first what lies in a registry, when offline', async () => {
    const { code, json } = await verify('registry.example/acme/pump:1.0.0', trusted);
    expect([code, json<{ error: { code: string } }>().error.code]).toEqual([2, 'cli/needs-network']);
  });

  it('updates the trust root first unless told not to', async () => {
    const directory = cli.path(`online-${++cases}`);
    registry.publish(world.trustRoot([published]));
    const at = ['--trust-root', directory, '--registry', registry.url];
    const shown = (await cli.run(['root', 'init', ...at, '--json'], { now: NOW })).json<{
      error: { message: string };
    }>();
    const fingerprint = /[0-9a-f]{64}/.exec(shown.error.message)![0];
    const wrong = await cli.run(['root', 'init', '--fingerprint', '0'.repeat(64), ...at], { now: NOW });
    expect(wrong.code).toBe(1);
    expect((await cli.run(['root', 'init', '--fingerprint', fingerprint, ...at], { now: NOW })).code).toBe(0);
    expect((await cli.run(['verify', signed, ...at], { now: NOW })).code).toBe(0);
    const update = await cli.run(['root', 'update', ...at], { now: NOW });
    expect(update.stdout).toContain('No news.');
    const show = await cli.run(['root', 'show', ...at, '--json'], { now: NOW });
    expect(show.json()).toMatchObject({ registry: 'https://registry.example', initialRoot: fingerprint, stale: [] });
  });
});

describe('a trust root that holds what some vendors take', () => {
  const other = world.vendor('01jd5x7m8n9p0q1r2s3t4v5w6b');
  const both = [published, world.published(other, { applicationIdPrefixes: ['com-other-'], ociNamespaces: [] })];
  const initialRoot = cli.path('their-root.json');
  let at: string[];
  const run = async (...args: string[]) => cli.run([...args, ...at, '--json'], { now: NOW });
  const shards = () => readdirSync(join(at[1]!, 'targets')).filter((name) => name.includes('.live.vendors.'));

  beforeEach(async () => {
    const set = world.trustRoot(both);
    registry.publish(set);
    writeFileSync(initialRoot, set.initialRoot);
    at = ['--trust-root', cli.path(`some-${++cases}`), '--registry', registry.url];
  });

  it('fetches the file of a vendor when its signature is met, and has it from then on', async () => {
    expect((await run('root', 'init', '--root', initialRoot, '--vendor')).code).toBe(0);
    expect(shards()).toEqual([]);
    const offline = await run('verify', `${signed}:1.0.0`, '--offline', '--release');
    expect(offline.code, offline.stdout).toBe(22);
    expect(offline.json()).toMatchObject({ trusted: false, code: 'tuf/missing-target' });

    expect((await run('verify', `${signed}:1.0.0`, '--release')).code).toBe(0);
    expect(shards()).toHaveLength(1);
    expect((await run('verify', `${signed}:1.0.0`, '--release', '--offline')).code).toBe(0);
  });

  it('makes a bundle, whose vendor it did not hold, and judges a bundle by what the bundle holds', async () => {
    await run('root', 'init', '--root', initialRoot, '--vendor');
    const file = cli.path('met.bundle');
    const made = await run('bundle', 'create', signed, '--output', file);
    expect(made.code, made.stdout).toBe(0);

    registry.publish(secondVersion(world.trustRoot(both)));
    const empty = ['--trust-root', cli.path(`some-${++cases}`), '--registry', registry.url];
    const newer = await cli.run(['root', 'init', '--root', initialRoot, '--vendor', ...empty], { now: NOW });
    expect(newer.code, newer.stderr).toBe(0);
    const judged = await cli.run(['bundle', 'verify', file, ...empty], { now: NOW });
    expect(judged.code, judged.stdout).toBe(0);
  });

  it('fetches what a bundle tells of a vendor when that has changed since', async () => {
    await run('root', 'init', '--root', initialRoot);
    const file = cli.path('before.bundle');
    expect((await run('bundle', 'create', signed, '--output', file)).code).toBe(0);

    const suspended = world.published(vendor, claims, { status: 'suspended' });
    registry.publish(secondVersion(world.trustRoot([suspended])));
    at[1] = cli.path(`some-${++cases}`);
    await run('root', 'init', '--root', initialRoot, '--vendor');
    expect((await run('bundle', 'verify', file)).json()).toMatchObject({ code: 'tuf/missing-target' });
    expect((await run('verify', file)).json()).toMatchObject({ code: 'verify/vendor-suspended', exitCode: 25 });
  });

  it('holds the vendors that it is told of, and says when one is unknown', async () => {
    await run('root', 'init', '--root', initialRoot, '--vendor', vendor.uri);
    expect(shards()).toHaveLength(1);
    expect((await run('root', 'update', '--vendor', other.id)).code).toBe(0);
    expect(shards()).toHaveLength(2);
    const unknown = await run('root', 'update', '--vendor', 'nobody');
    expect(unknown.code).toBe(11);
    expect((await run('root', 'update', '--vendor', 'no body')).code).toBe(2);
    expect((await run('root', 'update', '--everything')).code).toBe(0);
    expect(existsSync(join(at[1]!, 'kept-targets.json'))).toBe(false);
  });
});

describe('bundle', () => {
  it('is made and verified without network, home or clock, and survives no flipped bit', async () => {
    const file = cli.path('pump.bundle');
    const root = cli.path('root.json');
    writeFileSync(root, readFileSync(join(trusted, 'initial.root.json')));
    const made = await cli.run(['bundle', 'create', signed, '--output', file, '--offline', '--trust-root', trusted], {
      now: NOW,
    });
    expect(made.code, made.stderr).toBe(0);
    expect(made.stdout).toContain('com-example-pump 1.0.0');

    const bare = { env: { HOME: '' }, now: new Date(0) };
    expect((await cli.run(['bundle', 'verify', file, '--root', root], bare)).code).toBe(0);
    const pinned = ['--artifact', pump.digest];
    expect((await cli.run(['bundle', 'verify', file, '--root', root, ...pinned], bare)).code).toBe(0);
    const other = ['--artifact', `sha256:${'1'.repeat(64)}`];
    expect((await cli.run(['bundle', 'verify', file, '--root', root, ...other], bare)).code).toBe(12);

    const bundle = JSON.parse(readFileSync(file, 'utf8')) as { release: string };
    const release = Buffer.from(bundle.release, 'base64');
    release[release.length - 1]! ^= 1;
    writeFileSync(file, JSON.stringify({ ...bundle, release: release.toString('base64') }));
    expect((await cli.run(['bundle', 'verify', file, '--root', root], bare)).code).toBe(12);
  });

  it('cannot bring back what this machine knows to be revoked', async () => {
    const file = cli.path('old.bundle');
    await cli.run(['bundle', 'create', signed, '--output', file, '--offline', '--trust-root', trusted], { now: NOW });
    expect((await cli.run(['bundle', 'verify', file, '--trust-root', trusted], { now: NOW })).code).toBe(0);
    const revoked = {
      certificates: [
        { fingerprint: vendor.certificate.fingerprint, reason: 'keyCompromise', revokedAt: '2026-11-21T00:00:00Z' },
      ],
    };
    const newer = keepTrustRoot(secondVersion(world.trustRoot([published], revoked)));
    expect((await cli.run(['bundle', 'verify', file, '--trust-root', newer], { now: NOW })).code).toBe(20);
    expect((await cli.run(['verify', file, '--offline', '--trust-root', newer], { now: NOW })).code).toBe(20);
  });

  it.each([
    ['nothing', ''],
    ['half a bundle', '{"mediaType":"application/vnd.margo.trust.evidence.v1+json"'],
    ['another document', '{"mediaType":"text/plain"}'],
    ['deep nesting', '['.repeat(100_000)],
    ['bytes', '\xff\xfe\x00'],
  ])('is refused when it is %s', async (_what, content) => {
    const file = cli.path('bad.bundle');
    writeFileSync(file, content, 'latin1');
    for (const args of [
      ['bundle', 'verify', file],
      ['verify', file, '--offline'],
    ]) {
      const { code, stdout, stderr } = await cli.run([...args, '--trust-root', trusted], { now: NOW });
      expect([1, 12]).toContain(code);
      expect(stdout + stderr).toMatch(/\.\n/);
      expect(stdout + stderr).not.toContain('    at ');
    }
  });
});

describe('damage anywhere', () => {
  const mutation = fc.record({
    at: fc.double({ min: 0, max: 0.9999, noNaN: true }),
    bit: fc.nat(7),
    isCut: fc.boolean(),
  });
  const spoil = (bytes: Buffer, { at, bit, isCut }: { at: number; bit: number; isCut: boolean }): Buffer => {
    const index = Math.floor(at * bytes.length);
    if (isCut) return bytes.subarray(0, index);
    const copy = Buffer.from(bytes);
    copy[index]! ^= 1 << bit;
    return copy;
  };

  it.each([
    ['a bundle', 'bundle'],
    ['a statement', 'statement'],
    ['an initial root', 'root'],
    ['a layout’s index', 'index'],
    ['a chain', 'chain'],
  ])('of %s ends in a verdict or a sentence, never in a defect', async (_what, kind) => {
    const [bundle, statement, root] = [cli.path('whole.bundle'), cli.path('whole.cose'), cli.path('whole.json')];
    await cli.run(['bundle', 'create', signed, '--output', bundle, '--offline', '--trust-root', trusted], { now: NOW });
    writeFileSync(statement, (await firstSignature()).envelope);
    cpSync(join(trusted, 'initial.root.json'), root);
    const broken = cli.path('broken');
    const chain = Buffer.from(vendor.chain.map((der) => encodePem('CERTIFICATE', der)).join(''));
    const key = cli.path('key.pem');
    writeFileSync(key, vendor.key.privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const layout = cli.path(`damaged-${++cases}.oci`);
    cpSync(signed, layout, { recursive: true });
    const inputs: Record<string, { whole: Buffer; path: string; args: string[] }> = {
      bundle: { whole: readFileSync(bundle), path: broken, args: ['bundle', 'verify', broken, '--root', root] },
      statement: { whole: readFileSync(statement), path: broken, args: ['verify', broken, '--offline'] },
      root: { whole: readFileSync(root), path: broken, args: ['bundle', 'verify', bundle, '--root', broken] },
      index: {
        whole: readFileSync(join(layout, 'index.json')),
        path: join(layout, 'index.json'),
        args: ['verify', `${layout}:1.0.0`, '--offline', '--release'],
      },
      chain: {
        whole: chain,
        path: broken,
        args: ['sign', `${signed}:0`, '--key', key, '--chain', broken, '--registry', registry.url],
      },
    };
    const { whole, path, args } = inputs[kind]!;
    await fc.assert(
      fc.asyncProperty(mutation, async (change) => {
        writeFileSync(path, spoil(whole, change));
        const { stdout } = await cli.run([...args, '--trust-root', trusted, '--json'], { now: NOW });
        expect(stdout).not.toContain('cli/defect');
        expect(JSON.parse(stdout)).toHaveProperty('ok');
      }),
      { numRuns: 40 },
    );
  });
});

describe('a layout', () => {
  it.each([
    ['an index that is no JSON', 'index.json', '{'],
    ['an index without manifests', 'index.json', '{"schemaVersion":2}'],
    ['a marker of another version', 'oci-layout', '{"imageLayoutVersion":"9"}'],
  ])('with %s is refused in a sentence', async (_what, name, content) => {
    const path = cli.path(`broken-${++cases}.oci`);
    cpSync(signed, path, { recursive: true });
    writeFileSync(join(path, name), content);
    const { code, stderr } = await cli.run(['verify', `${path}:1.0.0`, '--offline', '--trust-root', trusted], {
      now: NOW,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^Error: .*\.\n/);
  });

  it('with a blob changed is refused', async () => {
    const path = cli.path(`changed-${++cases}.oci`);
    cpSync(signed, path, { recursive: true });
    const blob = join(path, 'blobs/sha256', pump.digest.slice(7));
    writeFileSync(blob, readFileSync(blob, 'utf8').replace('"schemaVersion":2', '"schemaVersion": 2'));
    expect((await cli.run(['verify', `${path}:1.0.0`, '--offline', '--trust-root', trusted], { now: NOW })).code).toBe(
      1,
    );
  });
});

/** The same, published once more. */
function secondVersion(set: TufFileSet): TufFileSet {
  const { timestamp: key } = world.keys;
  const signed = draftTimestamp({ version: 2, expires: world.later(365 * 86_400), snapshot: set.snapshot });
  const signature = key.sign(draftMetadata(signed), 'Ed25519');
  const timestamp = assembleMetadata(signed, [tufSignature(tufKeyFromSpki(key.publicKey.spki), signature)]);
  return { ...set, timestamp };
}

async function firstSignature(): Promise<{ envelope: Uint8Array }> {
  const layout = await OciLayout.open(signed);
  const [referrer] = await layout.referrers(pump.digest, 'application/vnd.cncf.notary.signature');
  const manifest = await layout.loadManifest(referrer!);
  if (manifest.kind !== 'manifest') throw new Error('A signature is a manifest.');
  return { envelope: Uint8Array.from(await layout.loadBlob(manifest.layers[0]!)) };
}
