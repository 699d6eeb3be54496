import { randomBytes, sign } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeHex, parseHex, parseUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { attachToStatement, draftArtifactStatement, finishStatement } from '@margo-trust/statement';
import { parseCheckpoint, parseNote, verifyNote } from '@margo-trust/tlog';
import { lintRepository, openTufSnapshot, type TufSnapshot } from '@margo-trust/tuf';
import { parseTrustRoot, revokedShard, Verifier, vendorShard } from '@margo-trust/verifier';
import { parseCertificate, parsePem } from '@margo-trust/x509';
import { Updater } from 'tuf-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitVendor, call, issueTo, makeCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { IssueCrl } from '../revocation/issue-crl.ts';
import { startWorker } from '../worker.ts';
import { PublishTrustRoot } from './publish-trust-root.ts';

let registry: TestRegistry;
let directory: string;
let vendor: string;

beforeAll(async () => {
  registry = await startTestRegistry();
  directory = await mkdtemp(join(tmpdir(), 'margo-tuf-'));
  await writeFile(join(directory, 'root.json'), await fetched('/tuf/1.root.json'));
});
afterAll(async () => {
  await registry?.close();
  await rm(directory, { recursive: true, force: true });
});

async function fetched(path: string): Promise<Uint8Array> {
  const response = await fetch(`${registry.url}${path}`);
  if (!response.ok) throw new Error(`${path} answers ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

/** What tuf-js makes of the published files, starting from what it kept: a target, or undefined if it knows none. */
async function download(name: string): Promise<Uint8Array | undefined> {
  const updater = new Updater({
    metadataDir: directory,
    metadataBaseUrl: `${registry.url}/tuf`,
    targetDir: directory,
    targetBaseUrl: `${registry.url}/tuf/targets`,
    config: { fetchRetries: 0 },
  });
  const target = await updater.getTargetInfo(name);
  return target && new Uint8Array(await readFile(await updater.downloadTarget(target)));
}

async function downloadJson<T>(name: string): Promise<T> {
  const bytes = await download(name);
  if (bytes === undefined) throw new Error(`tuf-js knows no ${name}.`);
  return JSON.parse(parseUtf8(bytes)) as T;
}

/** Everything that is published, by path in the repository. */
async function repository(): Promise<Map<string, Uint8Array>> {
  const rows = await registry.source.query<{ path: string; body: Buffer }[]>(
    `SELECT substr(path, 6) AS path, body FROM published_file WHERE path LIKE '/tuf/%'`,
  );
  return new Map(rows.map(({ path, body }) => [path, Uint8Array.from(body)]));
}

/** What a device holds that trusts the first root and was given all the files. */
async function deviceView(): Promise<TufSnapshot> {
  const files = await repository();
  const need = (path: string): Uint8Array => files.get(path) ?? expect.fail(`${path} is not published.`);
  const versionIn = (file: Uint8Array, of: string): number =>
    (JSON.parse(parseUtf8(file)) as { signed: { meta: Record<string, { version: number }> } }).signed.meta[of]!.version;
  const timestamp = need('timestamp.json');
  const snapshot = need(`${versionIn(timestamp, 'snapshot.json')}.snapshot.json`);
  const targets = need(`${versionIn(snapshot, 'targets.json')}.targets.json`);
  const live = need(`${versionIn(snapshot, 'live.json')}.live.json`);
  const listed = [targets, live].flatMap((role) =>
    Object.entries(
      (JSON.parse(parseUtf8(role)) as { signed: { targets: Record<string, { hashes: { sha256: string } }> } }).signed
        .targets,
    ),
  );
  const byName = Object.fromEntries(
    listed.map(([name, { hashes }]) => [name, need(`targets/${hashes.sha256}.${name}`)]),
  );
  const set = {
    initialRoot: need('1.root.json'),
    roots: [],
    timestamp,
    snapshot,
    targets,
    delegated: { live },
    files: byName,
  };
  return openTufSnapshot(set, { now: new Date(), expired: 'refuse' });
}

const publish = async (): Promise<void> => {
  await registry.app.get(IssueCrl).run();
  await registry.app.get(PublishTrustRoot).run();
};
const isDue = () => registry.app.get(PublishTrustRoot).isDue();

interface VendorsFile {
  vendors: { id: string; status: string; legalName: string; record: string }[];
}

describe('after genesis', () => {
  it('tuf-js bootstraps from the first root and downloads every target', async () => {
    const { targetNames } = await deviceView();
    expect([...targetNames].sort()).toEqual([
      'ca.issuing-1.pem',
      'ca.root.pem',
      'ca.tsa.pem',
      'live.checkpoint',
      ...Array.from({ length: 128 }, (_, shard) => `live.crl.issuing-1.${shard}.crl`).sort(),
      'live.crl.root.0.crl',
      'live.revocations.v1.json',
      'live.revoked.filter',
      'live.vendors.index.json',
      'margo.trust-root.v1.json',
      'notation.ca.margo.1.crt',
      'notation.trustpolicy.oci.json',
      'notation.tsa.margo.1.crt',
    ]);
    for (const name of targetNames) expect((await download(name))?.length, name).toBeGreaterThan(0);
    expect(await downloadJson('live.vendors.index.json')).toEqual({
      type: 'margo.vendors-index.v1',
      vendors: 0,
      shards: [],
    });
  });

  it('no client stumbles', async () => {
    expect(lintRepository(await repository())).toEqual([]);
  });

  it('the verifier reads the trust root, and the checkpoint in it is signed by its log', async () => {
    const snapshot = await deviceView();
    const trust = parseTrustRoot(snapshot);
    expect(trust).toMatchObject({ registry: 'https://registry.localhost', domain: 'registry.localhost', stale: [] });
    expect(trust.anchors.map(({ certificate }) => certificate)).toEqual([await fetched('/ca/root.crt')]);
    expect(trust.timestampAnchors.map(({ certificate }) => certificate)).toEqual([await fetched('/ca/tsa-ca.crt')]);
    expect(trust.intermediates).toEqual([await fetched('/ca/issuing-1.crt')]);
    const note = parseNote(snapshot.target('live.checkpoint'));
    verifyNote(note, [trust.logs[0]!.checkpointKey]);
    expect(parseCheckpoint(note.text).origin).toBe('log.registry.localhost');
    expect(snapshot.target('live.crl.root.0.crl')).toEqual(await fetched('/crl/root/0.crl'));
  });

  it('root and targets need two of three keys, which differ', async () => {
    const { root } = await deviceView();
    for (const role of ['root', 'targets'] as const) {
      expect([root.roles[role].threshold, root.roles[role].keyids.length]).toEqual([2, 3]);
    }
    const ids = Object.values(root.roles).flatMap(({ keyids }) => keyids);
    expect(new Set(ids).size).toBe(8);
  });

  it('only the timestamp is fetched again, and the next root is plainly absent', async () => {
    const caching = async (path: string) => (await fetch(`${registry.url}${path}`)).headers.get('cache-control');
    expect(await caching('/tuf/timestamp.json')).toBe('public, max-age=30, must-revalidate');
    for (const path of (await repository()).keys()) {
      if (path === 'timestamp.json') continue;
      expect(await caching(`/tuf/${path}`), path).toBe('public, max-age=31536000, immutable');
    }
    expect((await fetch(`${registry.url}/tuf/2.root.json`, { redirect: 'error' })).status).toBe(404);
  });

  it('the log names the anchors second, then what the ceremony and each publication signed', async () => {
    const { body } = await call(registry, 'get', '/api/v1/log/entries?limit=10');
    const entries = (body as { items: { subject: string }[] }).items.reverse();
    expect(entries.map(({ subject }) => subject)).toEqual([
      'policy:log.registry.localhost',
      'anchors:log.registry.localhost',
      'tuf:targets:1',
      'tuf:timestamp:1',
    ]);
    const digest = encodeHex(sha256(await fetched('/tuf/1.root.json')));
    const found = await call(registry, 'get', `/api/v1/log/entries?digest=sha256:${digest}`);
    expect((found.body as { items: unknown[] }).items).toHaveLength(1);
  });
});

describe('from admission to revocation', () => {
  let serial: string;
  let artifact: { statement: Uint8Array; digest: string };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const judge = async () =>
    new Verifier(parseTrustRoot(await deviceView())).verifyArtifact({ mediaType, digest: artifact.digest, size: 1 }, [
      artifact.statement,
    ]);

  it('an admitted vendor is published with the proof of its admission', async () => {
    vendor = await admitVendor(registry, 'Müller & Söhne KG');
    expect(await isDue()).toBe(true);
    await publish();
    const { vendors } = await downloadJson<VendorsFile>(vendorShard(vendor));
    expect(vendors).toMatchObject([{ id: vendor, legalName: 'Müller & Söhne KG', status: 'active' }]);
    expect(lintRepository(await repository())).toEqual([]);
  });

  it('what it signs is trusted offline', async () => {
    const csr = makeCsr();
    const issued = await issueTo(registry, vendor, csr.pem);
    serial = issued.serial;
    const [leafDer] = parsePem('CERTIFICATE', issued.certificate);
    const digest = `sha256:${randomBytes(32).toString('hex')}`;
    const draft = draftArtifactStatement({
      algorithm: 'ES256',
      issuer: `https://${vendor}.vendors.registry.localhost/`,
      subject: `oci:image:${digest}`,
      target: { mediaType, digest, size: 1 },
      signingTime: new Date(),
      leafDer: leafDer!,
    });
    const signature = sign('sha256', draft.toBeSigned, { key: csr.key, dsaEncoding: 'ieee-p1363' });
    const statement = finishStatement(draft, Uint8Array.from(signature), {
      chain: parsePem('CERTIFICATE', issued.chain),
    });
    const registered = await fetch(`${registry.url}/entries`, {
      method: 'POST',
      headers: { 'content-type': 'application/cose' },
      body: statement,
    });
    expect(registered.status).toBe(201);
    const receipt = new Uint8Array(await registered.arrayBuffer());
    artifact = { statement: attachToStatement(statement, { receipts: [receipt] }), digest };
    expect(await judge()).toMatchObject({ trusted: true });
  });

  it('neither a certificate, an entry nor the publication itself is a reason to publish', async () => {
    expect(await isDue()).toBe(false);
    const before = await deviceView();
    await publish();
    expect((await deviceView()).versions).toEqual(before.versions);
  });

  it('a revocation reaches the list and the CRL, and leaves the shard of the vendor alone', async () => {
    const before = await deviceView();
    const revoked = await call(registry, 'post', `/api/v1/certificates/${serial}/revocation`, 'victor', {
      reason: 'keyCompromise',
    });
    expect(revoked.status).toBe(201);
    await publish();
    const { certificates } = await downloadJson<{ certificates: { serial: string; reason: string }[] }>(
      revokedShard(vendor),
    );
    const filter = parseTrustRoot(await deviceView()).filter!;
    const issuing = sha256(parseCertificate(await fetched('/ca/issuing-1.crt')).spki);
    expect([filter.revoked, filter.covers(issuing)]).toEqual([1, true]);
    expect(filter.isRevoked(issuing, parseHex(serial))).toBe(true);
    expect(certificates).toMatchObject([{ serial, reason: 'keyCompromise', issuer: 'issuing-1' }]);
    const after = await deviceView();
    const shard = parseInt(serial.slice(-2), 16) % 128;
    const [crl, other] = [shard, (shard + 1) % 128].map((n) => `live.crl.issuing-1.${n}.crl`) as [string, string];
    expect(after.target(crl)).toEqual(await fetched(`/crl/issuing-1/${shard}.long.crl`));
    expect(after.findTarget(crl)).not.toEqual(before.findTarget(crl));
    expect(after.findTarget(other)).toEqual(before.findTarget(other));
    expect(after.findTarget(vendorShard(vendor))).toEqual(before.findTarget(vendorShard(vendor)));
    expect(await judge()).toMatchObject({ trusted: false, code: 'verify/certificate-revoked' });
    expect(await isDue()).toBe(false);
  });

  it('suspension and reinstatement are published', async () => {
    for (const [method, status] of [
      ['post', 'suspended'],
      ['delete', 'active'],
    ] as const) {
      const body = method === 'post' ? { reason: 'Does not answer.' } : undefined;
      const done = await call(registry, method, `/api/v1/vendors/${vendor}/suspension`, 'alice', body);
      expect(done.status, done.text).toBeLessThan(300);
      expect(await isDue()).toBe(true);
      await publish();
      expect((await downloadJson<VendorsFile>(vendorShard(vendor))).vendors[0]?.status).toBe(status);
    }
  });

  it('of publishers at once, one publishes and none fails', async () => {
    const before = (await deviceView()).versions;
    await admitVendor(registry);
    await Promise.all(Array.from({ length: 5 }, () => registry.app.get(PublishTrustRoot).run()));
    const after = (await deviceView()).versions;
    for (const role of ['live', 'snapshot', 'timestamp']) expect(after[role], role).toBe(before[role]! + 1);
    expect([after['root'], after['targets']]).toEqual([1, 1]);
    expect(lintRepository(await repository())).toEqual([]);
  });

  it('a running worker makes a change visible within five seconds', async () => {
    const worker = startWorker(registry.app, () => undefined);
    try {
      const id = await admitVendor(registry);
      await expect
        .poll(async () => await download(vendorShard(id)).then((file) => file && parseUtf8(file)), { timeout: 5_000 })
        .toContain(id);
    } finally {
      await worker.stop();
    }
  });

  it('files of earlier publications stay, so that nobody is cut off in the middle of an update', async () => {
    const kept = (await readdir(directory)).filter((name) => name.endsWith('.json'));
    expect(kept).toContain('timestamp.json');
    const files = await repository();
    const { versions } = await deviceView();
    for (let version = 1; version <= versions['live']!; version += 1) {
      expect(files.has(`${version}.live.json`), `live ${version}`).toBe(true);
    }
  });
});

describe('the database', () => {
  it('gives no version back and keeps what was signed', async () => {
    await expect(registry.source.query('UPDATE tuf_current SET live = live - 1')).rejects.toThrow('only grow');
    await expect(registry.source.query('DELETE FROM tuf_current')).rejects.toThrow('only grow');
    await expect(registry.source.query(`DELETE FROM tuf_metadata`)).rejects.toThrow('append-only');
    await expect(registry.source.query(`UPDATE genesis SET domain = 'x.example'`)).rejects.toThrow('append-only');
  });
});
