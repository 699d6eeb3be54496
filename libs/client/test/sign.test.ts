import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeUtf8 } from '@margo-trust/bytes';
import { encodeCbor } from '@margo-trust/cbor';
import { sha256 } from '@margo-trust/crypto';
import { MEDIA } from '@margo-trust/margo';
import { attachSignature, findSignatures, OciLayout, type Descriptor, type FoundSignature } from '@margo-trust/oci';
import { parseArtifactSignature, parseStatement } from '@margo-trust/statement';
import { World, type TestVendor } from '@margo-trust/testkit';
import { encodeTimestampRequest } from '@margo-trust/timestamp';
import { openTufSnapshot, type TufSnapshot } from '@margo-trust/tuf';
import { encodeEvidenceBundle, parseTrustRoot, Verifier, verifyEvidenceBundle } from '@margo-trust/verifier';
import { encodePem } from '@margo-trust/x509';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  artifactFinder,
  collectEvidence,
  judgeInPlace,
  loadApplication,
  openIdentity,
  openPrivateKey,
  requestTimestamp,
  signApplication,
  signArtifact,
  type SigningContext,
} from '../src/index.ts';
import { OTHER_IMAGE, OWN_IMAGE, packPump, PUMP } from './packages.ts';
import { serveWorld, type RegistryServer } from './registry-server.ts';

const ID = '01jd5x7m8n9p0q1r2s3t4v5w6x';
const claims = { applicationIdPrefixes: ['com-example-'], ociNamespaces: ['registry.example/acme'] };
const root = mkdtempSync(join(tmpdir(), 'margo-sign-'));
const world = new World();
const vendor = world.vendor(ID);
const published = world.published(vendor, claims);
let registry: RegistryServer;
let layouts = 0;
let layout: OciLayout;
let pump: Descriptor;

beforeAll(async () => {
  registry = await serveWorld(world);
});
afterAll(async () => {
  await registry.close();
  rmSync(root, { recursive: true, force: true });
});
beforeEach(async () => {
  layout = await OciLayout.create(join(root, `layout-${++layouts}`));
  pump = await packPump(layout);
});
afterEach(() => registry.answers.clear());

function contextOf({ key, chain }: TestVendor): SigningContext {
  const signer = openPrivateKey(key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  const pem = chain.map((der) => encodePem('CERTIFICATE', der)).join('');
  const identity = openIdentity(signer, pem);
  return { identity, registry: { url: registry.url }, now: () => world.now, agent: 'margo-trust/test' };
}

async function signaturesOf(subject: Descriptor): Promise<FoundSignature[]> {
  const found: FoundSignature[] = [];
  for await (const signature of findSignatures(layout, subject)) found.push(signature);
  return found;
}

function trustRoot(): TufSnapshot {
  return openTufSnapshot(world.trustRoot([published]), { now: world.now, expired: 'report' });
}

async function loadPump() {
  const find = artifactFinder(layout);
  return { find, application: await loadApplication({ package: { place: layout, descriptor: pump }, find }) };
}

describe('signArtifact', () => {
  it('attaches one referrer that our verifier trusts, with chain, time-stamp and receipt', async () => {
    const signed = await signArtifact({ place: layout, descriptor: pump }, contextOf(vendor));
    const found = await signaturesOf(pump);
    expect(found.map(({ descriptor }) => descriptor.digest)).toEqual([signed.signature.digest]);
    const [only] = found;
    if (!only || 'fault' in only) throw new Error('The signature cannot be read.');
    const statement = parseStatement(only.envelope);
    expect(statement).toMatchObject({ entryId: signed.entryId, subject: `oci:app:${pump.digest}`, issuer: vendor.uri });
    expect([statement.chain.length, statement.receipts.length]).toEqual([3, 1]);
    expect(statement.timestampToken).toBeDefined();
    expect(parseArtifactSignature(statement).target.annotations).toBeUndefined();
    expect((await judgeInPlace(layout, pump, new Verifier(parseTrustRoot(trustRoot())))).verdict.trusted).toBe(true);
  });

  it('names the reference under signature where one is known', async () => {
    const descriptor = await layout.resolve(PUMP);
    await signArtifact({ place: layout, descriptor, reference: PUMP }, contextOf(vendor));
    const statement = parseStatement(registry.registered.at(-1)!);
    expect(parseArtifactSignature(statement).target.annotations).toEqual({ 'org.margo.trust.reference': PUMP });
    expect(statement.subject).toBe(`oci:compose:${descriptor.digest}`);
  });

  it('replaces its own earlier signature and leaves those of others', async () => {
    const other = world.vendor('01jd5x7m8n9p0q1r2s3t4v5w6y');
    await signArtifact({ place: layout, descriptor: pump }, contextOf(other));
    await signArtifact({ place: layout, descriptor: pump }, contextOf(vendor));
    const again = await signArtifact({ place: layout, descriptor: pump }, contextOf(vendor));
    expect(again.replaced).toBe(1);
    expect(await signaturesOf(pump)).toHaveLength(2);
  });

  it('attaches nothing when the registry refuses, and passes its code on', async () => {
    const concise = new Map<number | string, unknown>([
      [-1, 'Refused'],
      [-2, 'The vendor is suspended.'],
      ['https://registry.example/errors', new Map([['code', 'registration/vendor-suspended']])],
    ]);
    registry.answers.set('POST /entries', () => ({
      status: 403,
      type: 'application/concise-problem-details+cbor',
      body: Buffer.from(encodeCbor(concise as never)),
    }));
    await expect(signArtifact({ place: layout, descriptor: pump }, contextOf(vendor))).rejects.toMatchObject({
      code: 'registration/vendor-suspended',
      message: 'The vendor is suspended.',
      status: 403,
    });
    expect(await layout.referrers(pump.digest)).toEqual([]);
  });

  it('asks a busy registry again', async () => {
    let asked = 0;
    registry.answers.set('POST /entries', () => {
      asked += 1;
      registry.answers.delete('POST /entries');
      return {
        status: 503,
        type: 'application/problem+json',
        body: '{"code":"http/busy"}',
        headers: { 'retry-after': '0' },
      };
    });
    await signArtifact({ place: layout, descriptor: pump }, contextOf(vendor));
    expect(asked).toBe(1);
  });

  it.each([
    [
      'a receipt for another statement',
      'POST /entries',
      { status: 201, headers: { location: '/entries/other' }, body: 'x' },
    ],
    ['a stamp on something else', 'POST /tsa', undefined],
  ])('refuses %s', async (_what, door, planted) => {
    const context = contextOf(vendor);
    let recorded: Buffer | undefined;
    if (planted) registry.answers.set(door, () => planted);
    else {
      const response = await fetch(`${registry.url}/tsa`, { method: 'POST', body: queryFor('elsewhere') });
      recorded = Buffer.from(await response.arrayBuffer());
      registry.answers.set(door, () => ({ type: 'application/timestamp-reply', body: recorded! }));
      await expect(requestTimestamp(`${registry.url}/tsa`, Uint8Array.of(1))).rejects.toMatchObject({
        code: 'client/bad-answer',
      });
    }
    await expect(signArtifact({ place: layout, descriptor: pump }, context)).rejects.toMatchObject({
      code: 'client/bad-answer',
    });
  });
});

function queryFor(text: string): Uint8Array<ArrayBuffer> {
  const imprint = sha256(encodeUtf8(text));
  return Uint8Array.from(encodeTimestampRequest({ hash: 'SHA-256', imprint, certReq: true }));
}

describe('signApplication', () => {
  it('signs what is the vendor’s, pins what is not, and says what it could not resolve', async () => {
    const { application } = await loadPump();
    const steps: string[] = [];
    const result = await signApplication(
      { application, claims, onStep: (step) => steps.push(step) },
      contextOf(vendor),
    );

    expect(application.findings).toEqual([expect.stringContaining('registry.example/acme/lost:1')]);
    expect(result.signed.map(({ reference }) => reference)).toEqual([undefined, PUMP, OWN_IMAGE, undefined]);
    expect(result.pinned.map(({ reference }) => reference)).toEqual([OTHER_IMAGE]);
    expect(result.release.images.map(({ reference, manifests }) => [reference, manifests?.[0]?.platform])).toEqual([
      [OWN_IMAGE, 'linux/amd64'],
      [OTHER_IMAGE, 'linux/amd64'],
    ]);
    expect(result.release.components[0]).toMatchObject({ name: 'pump-compose', artifactType: MEDIA.compose });
    expect(steps).toHaveLength(4);
    const releases = await layout.referrers(pump.digest, MEDIA.release);
    expect(releases.map(({ digest }) => digest)).toEqual([result.releaseArtifact.digest]);
    expect(await layout.referrers(result.releaseArtifact.digest, MEDIA.notarySignature)).toHaveLength(1);
  });

  it.each([
    [
      'application',
      { ...claims, applicationIdPrefixes: ['com-other-'] },
      /not granted the application id com-example-pump\./,
    ],
    ['component', { ...claims, ociNamespaces: ['registry.example/other'] }, new RegExp(`not granted ${PUMP}\\.`)],
    ['anything', { applicationIdPrefixes: [], ociNamespaces: [] }, /id com-example-pump, .*granted nothing/],
  ])('signs nothing when the vendor was not granted the %s', async (_what, granted, message) => {
    const { application } = await loadPump();
    const before = registry.registered.length;
    await expect(signApplication({ application, claims: granted }, contextOf(vendor))).rejects.toMatchObject({
      code: 'client/not-claimed',
      message: expect.stringMatching(message),
    });
    expect(registry.registered).toHaveLength(before);
    expect(await signaturesOf(pump)).toEqual([]);
  });

  it('done again, leaves one release and one signature each', async () => {
    const { application } = await loadPump();
    await signApplication({ application, claims }, contextOf(vendor));
    const later = { ...contextOf(vendor), now: () => world.later(60) };
    const { signed, releaseArtifact } = await signApplication({ application, claims }, later);
    expect(await layout.referrers(pump.digest, MEDIA.release)).toMatchObject([{ digest: releaseArtifact.digest }]);
    for (const { descriptor } of signed) {
      expect(await layout.referrers(descriptor.digest, MEDIA.notarySignature)).toHaveLength(1);
    }
  });
});

describe('collectEvidence', () => {
  it('makes a bundle that verifies with the initial root alone, in 1970', async () => {
    const { application, find } = await loadPump();
    await signApplication({ application, claims }, contextOf(vendor));
    const snapshot = trustRoot();
    const evidence = await collectEvidence({ place: layout, packageDigest: pump.digest, find, trustRoot: snapshot });
    expect(evidence.findings).toEqual([expect.stringContaining(OTHER_IMAGE)]);
    expect(Object.keys(evidence.bundle.trustRoot.files)).toHaveLength(3);
    const { initialRoot } = snapshot.set;
    const verdict = verifyEvidenceBundle(encodeEvidenceBundle(evidence.bundle), { initialRoot, now: new Date(0) });
    expect(verdict).toMatchObject({ trusted: true, release: { applicationId: 'com-example-pump', version: '1.0.0' } });
    expect(evidence.bundle.artifacts).toHaveLength(3);
  });

  it('refuses to bundle what would be refused', async () => {
    const { application, find } = await loadPump();
    const request = { place: layout, packageDigest: pump.digest, find, trustRoot: trustRoot() };
    await expect(collectEvidence(request)).rejects.toMatchObject({ code: 'client/no-release' });
    const stranger = world.vendor('01jd5x7m8n9p0q1r2s3t4v5w6z');
    await signApplication({ application, claims }, contextOf(stranger));
    await expect(collectEvidence(request)).rejects.toMatchObject({ code: 'verify/unknown-vendor' });
  });
});

describe('judgeInPlace', () => {
  it('gives the refusal that got furthest, whatever junk lies beside it', async () => {
    const stranger = world.vendor('01jd5x7m8n9p0q1r2s3t4v5w6z');
    const junk = { subject: pump, envelope: Uint8Array.of(1, 2, 3), chain: [vendor.certificate.der] };
    await attachSignature(layout, junk);
    await signArtifact({ place: layout, descriptor: pump }, contextOf(stranger));
    const { verdict } = await judgeInPlace(layout, pump, new Verifier(parseTrustRoot(trustRoot())));
    expect(verdict).toMatchObject({ trusted: false, code: 'verify/unknown-vendor' });
  });
});
