import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parsePublicKey } from '@margo-trust/crypto';
import { openssl } from '@margo-trust/testkit';
import {
  assembleSigned,
  type Certificate,
  type CertificateSpec,
  encodePem,
  encodeTbsCertificate,
  issuingCaProfile,
  parseCertificate,
  parsePem,
  rootProfile,
  shapeSerial,
  tsaProfile,
} from '@margo-trust/x509';
import { encodeTimestampRequest, parseTimestampResponse, parseTimestampToken } from '@margo-trust/timestamp';
import { updateTrustRoot } from '@margo-trust/client';
import { attachToStatement, parseStatement, readFacts } from '@margo-trust/statement';
import type { TufSnapshot } from '@margo-trust/tuf';
import { parseTrustRoot, Verifier } from '@margo-trust/verifier';
import type { Authority } from '@margo-trust/wire';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { TestCli } from '../../../../test/cli.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { generateKey, writeKey } from '../keys/development-keys.ts';
import { KeyObjectSigner } from '../keys/key-object-signer.ts';
import { KeyRing } from '../keys/key-ring.ts';
import { keyFile, type KeySlot } from '../keys/slots.ts';
import { IssueCrl } from '../revocation/issue-crl.ts';
import { PublishTrustRoot } from '../trust-root/publish-trust-root.ts';
import { RenewTargets } from '../trust-root/renew-targets.ts';
import { CertificateReader } from './certificate.reader.ts';
import { SignLeaf } from './sign-leaf.ts';

const cli = new TestCli();
let registry: TestRegistry;
let vendor: string;

beforeAll(async () => {
  registry = await startTestRegistry();
  vendor = await admitVendor(registry);
});
afterAll(() => registry?.close());

describe('an issuing CA hands over to the next', () => {
  const issued: Record<'before' | 'after', { serial: string; certificate: string }[]> = { before: [], after: [] };
  const signed: { statement: Uint8Array; digest: string }[] = [];
  const unfinished = makeCsr().pem;
  let next: Certificate;

  it('first nobody knows it', async () => {
    expect((await cli.run(['--registry', registry.url, 'root', 'init', '--trust-first-use'])).code).toBe(0);
    issued.before.push(await issueTo(registry, vendor), await issueTo(registry, vendor));
    next = await issueCa('ca-issuing-2', 'Issuing CA 2');
    expect(await states()).toEqual({ root: 'active', 'issuing-1': 'active', 'tsa-ca': 'active', tsa: 'active' });
  });

  it('it is announced, when its key is there', async () => {
    const hidden = await announce(next, 'issuing');
    expect([hidden.status, hidden.body.code]).toEqual([409, 'authority/key-missing']);
    expect(hidden.body.detail).toContain('ca-issuing-2.pem');
    putKey('ca-issuing-2');
    const announced = await announce(next, 'issuing');
    expect(announced.status, announced.text).toBe(201);
    expect(announced.body).toMatchObject({ name: 'issuing-2', role: 'issuing', state: 'standby' });
    expect(announced.headers['location']).toBe('/api/v1/authorities/issuing-2');
    expect(await fetched('/ca/issuing-2.crt')).toEqual(next.der);
    const again = await announce(next, 'issuing');
    expect([again.status, again.body.code]).toEqual([409, 'authority/known']);
  });

  it('it is activated by another member, once devices can know it', async () => {
    expect((await activate('issuing-2', 'alice')).body.code).toBe('authority/own-announcement');
    expect((await activate('issuing-2', 'bob')).body.code).toBe('authority/not-published');
    expect(await registry.app.get(RenewTargets).isDue()).toBe(true);
    await registry.app.get(RenewTargets).run();
    expect(await registry.app.get(RenewTargets).isDue()).toBe(false);
    expect((await activate('issuing-2', 'bob')).body).toMatchObject({ detail: expect.stringContaining('CRL') });
    await publish();
    issued.before.push(await issueTo(registry, vendor));
    signed.push(await signAndRegister());
    // Announced by the first CA, and then the power went.
    const crash = vi.spyOn(registry.app.get(SignLeaf), 'issue').mockRejectedValueOnce(new Error('the power went'));
    await expect(issueTo(registry, vendor, unfinished)).rejects.toThrow();
    crash.mockRestore();
    const activated = await activate('issuing-2', 'bob');
    expect(activated.status, activated.text).toBe(201);
    expect(await states()).toMatchObject({ 'issuing-1': 'retiring', 'issuing-2': 'active' });
    expect((await activate('issuing-2', 'bob')).body.code).toBe('authority/wrong-state');
  });

  it('it issues from then on', async () => {
    issued.after.push(await issueTo(registry, vendor), await issueTo(registry, vendor));
    signed.push(await signAndRegister());
    issued.before.push(await issueTo(registry, vendor, unfinished)); // finished by the CA that has announced it
    const issuerOf = (pem: string) => new X509Certificate(pem).issuer.match(/CN=.*/)?.[0];
    for (const { certificate } of issued.before)
      expect(issuerOf(certificate)).toBe('CN=Margo Trust Registry Issuing CA 1');
    for (const { certificate } of issued.after)
      expect(issuerOf(certificate)).toBe('CN=Margo Trust Registry Issuing CA 2');
    const leaf = parseCertificate(parsePem('CERTIFICATE', issued.after[0]!.certificate)[0]!);
    expect(leaf.crlUrls[0]).toContain('/crl/issuing-2/');
  });

  it('one of each is revoked: each CA has it on its own CRL, and openssl accepts the others only', async () => {
    const [old, young] = [issued.before[0]!, issued.after[0]!];
    for (const { serial } of [old, young]) {
      const revoked = await call(registry, 'post', `/api/v1/certificates/${serial}/revocation`, 'victor', {
        reason: 'keyCompromise',
      });
      expect(revoked.status, revoked.text).toBe(201);
    }
    await publish();
    for (const [generation, ca, revoked] of [
      ['before', 'issuing-1', old],
      ['after', 'issuing-2', young],
    ] as const) {
      for (const one of issued[generation]) {
        const { output } = await verify(one.certificate, ca);
        expect(output, ca).toContain(one === revoked ? 'certificate revoked' : 'leaf.pem: OK');
      }
    }
  });

  it('the CA before it cannot retire while its certificates live', async () => {
    const early = await call(registry, 'post', '/api/v1/authorities/issuing-1/retirement', 'alice', { note: 'Early.' });
    expect([early.status, early.body.code]).toEqual([409, 'authority/in-use']);
    const never = await call(registry, 'post', '/api/v1/authorities/issuing-2/retirement', 'alice', { note: 'Early.' });
    expect(never.body.code).toBe('authority/wrong-state');
  });

  it('bundles signed under both verify offline, the revoked ones do not', async () => {
    const verifier = new Verifier(parseTrustRoot(await trustRoot()));
    const verdicts = signed.map(({ statement, digest }) =>
      verifier.verifyArtifact({ mediaType: MEDIA_TYPE, digest, size: 7 }, [statement]),
    );
    expect(verdicts.map(({ trusted }) => trusted)).toEqual([true, true]);
    const revoked = [issued.before[0]!, issued.after[0]!].map(({ serial }) => serial);
    const snapshot = await trustRoot();
    const listed = snapshot.targetNames
      .filter((name) => /^live\.revoked\..*\.json$/.test(name))
      .flatMap((name) => {
        const file = JSON.parse(Buffer.from(snapshot.target(name)).toString()) as {
          certificates: { serial: string; issuer: string }[];
        };
        return file.certificates.map(({ serial, issuer }) => `${issuer} ${serial}`);
      });
    expect(listed.sort()).toEqual([`issuing-1 ${revoked[0]}`, `issuing-2 ${revoked[1]}`]);
  });

  it('an auditor follows, from the log alone', async () => {
    const replayed = await cli.run(['--registry', registry.url, '--json', 'log', 'replay']);
    expect(replayed.code, replayed.stdout + replayed.stderr).toBe(0);
    expect(replayed.json()).toMatchObject({ replay: { admissions: 2 } });
  });
});

describe('other authorities', () => {
  it('a dormant second root becomes an anchor, and signs nothing', async () => {
    const root = await makeRoot('ca-root-2', 'Root 2');
    putKey('ca-root-2');
    const announced = await announce(root, 'root');
    expect(announced.body, announced.text).toMatchObject({ name: 'root-2', state: 'standby' });
    await registry.app.get(RenewTargets).run();
    await publish();
    const document = JSON.parse(Buffer.from((await trustRoot()).target('margo.trust-root.v1.json')).toString()) as {
      anchors: { name: string }[];
      intermediates: { name: string }[];
    };
    expect(document.anchors.map(({ name }) => name)).toEqual(['root', 'root-2']);
    expect(document.intermediates.map(({ name }) => name)).toEqual(['issuing-1', 'issuing-2']);
  });

  it('a time-stamping authority hands over at once, and its stamps still verify', async () => {
    const before = await stamp();
    const tsa = await issueTsa('tsa-2', 'Time-Stamping Authority 2');
    putKey('tsa-2');
    const announced = await announce(tsa, 'tsa');
    expect(announced.body, announced.text).toMatchObject({ name: 'tsa-2' });
    expect((await activate('tsa-2', 'bob')).status).toBe(201);
    const after = await stamp();
    const signer = (reply: Uint8Array) => parseTimestampToken(parseTimestampResponse(reply).token).certificates[0];
    expect(signer(after)).toEqual(tsa.der);
    expect(signer(before)).not.toEqual(tsa.der);
    const ca = encodePem('CERTIFICATE', await fetched('/ca/tsa-ca.crt'));
    for (const reply of [before, after]) {
      const args = ['ts', '-verify', '-data', 'data', '-in', 'reply.tsr', '-CAfile', 'ca.pem'];
      expect(openssl(args, { 'reply.tsr': reply, 'ca.pem': ca, data: MESSAGE }).output).toContain('Verification: OK');
    }
    const retired = await call(registry, 'post', '/api/v1/authorities/tsa/retirement', 'alice', {
      note: 'Key destroyed.',
    });
    expect(retired.body, retired.text).toMatchObject({ name: 'tsa', state: 'retired' });
  });

  it.each([
    ['signed by somebody else', () => selfMade('Issuing CA 9'), /no CA of ours/],
    [
      'with other constraints than the profile',
      () => issueCa('odd', 'Issuing CA 8', { extensions: 'too few' }),
      /ca-constrains-names/,
    ],
    [
      'that names another place for its CRL',
      () => issueCa('odd', 'Issuing CA 7', { base: 'http://elsewhere.example' }),
      /CRL of its issuer/,
    ],
    ['with a signature that does not hold', () => issueCa('odd', 'Issuing CA 6', { signWith: 'odd' }), /signature/],
  ])('one %s is refused', async (_, make, message) => {
    const refused = await announce(await make(), 'issuing');
    expect([refused.status, refused.body.code]).toEqual([422, 'authority/unfit']);
    expect(refused.body.detail).toMatch(message);
  });

  it('anything that is not a certificate is refused with a code', async () => {
    for (const certificate of [
      'x',
      encodePem('CERTIFICATE', Uint8Array.of(0x30, 0x80)),
      encodePem('CERTIFICATE', randomBytes(300)),
    ]) {
      const { status, body } = await call(registry, 'post', '/api/v1/authorities', 'alice', {
        certificate,
        role: 'issuing',
      });
      expect(status).toBe(422);
      expect(body.code).toMatch(/^(http|authority)\//);
    }
    expect((await call(registry, 'get', '/api/v1/authorities/nobody')).body.code).toBe('authority/not-found');
  });

  it('is for governance only', async () => {
    const body = { certificate: encodePem('CERTIFICATE', await fetched('/ca/root.crt')), role: 'root' };
    expect((await call(registry, 'post', '/api/v1/authorities', 'victor', body)).status).toBe(403);
    expect((await call(registry, 'post', '/api/v1/authorities/root/activation', 'victor', { note: 'x' })).status).toBe(
      403,
    );
  });
});

// A ceremony, by hand: keys here, certificates signed with the root's key, which development has at hand.

const keys = new Map<string, ReturnType<typeof generateKey>>();

function keyOf(slot: string) {
  const key = keys.get(slot) ?? generateKey(slot.startsWith('tsa') ? 'P-256' : 'P-384');
  keys.set(slot, key);
  return key;
}

/** Gives the key to the service. */
function putKey(slot: KeySlot): void {
  mkdirSync(join(registry.config.keysDirectory, 'offline'), { recursive: true });
  writeKey(join(registry.config.keysDirectory, keyFile(slot)), keyOf(slot));
}

function input(slot: string, role: string) {
  const now = Math.floor(Date.now() / 1_000) * 1_000;
  return {
    serial: shapeSerial(randomBytes(16)),
    subject: { country: 'XX', organization: 'registry.localhost', commonName: `Margo Trust Registry ${role}` },
    notBefore: new Date(now - 3_600_000),
    notAfter: new Date(now + 3_000 * 86_400_000),
    publicKey: parsePublicKey(new KeyObjectSigner(keyOf(slot)).spki),
  };
}

async function sign(
  spec: CertificateSpec,
  signer: { sign(data: Uint8Array): Promise<Uint8Array> },
): Promise<Certificate> {
  const tbs = encodeTbsCertificate(spec);
  return parseCertificate(assembleSigned(tbs, spec.algorithm, await signer.sign(tbs)));
}

async function issueCa(
  slot: string,
  role: string,
  change: { base?: string; signWith?: string; extensions?: string } = {},
): Promise<Certificate> {
  const { certificate: issuer } = await registry.app.get(CertificateReader).loadAuthority('root');
  const base = change.base ?? registry.url;
  const spec = issuingCaProfile({
    ...input(slot, role),
    ...{ issuer, crlUrl: `${base}/crl/root/0.crl`, caIssuersUrl: `${base}/ca/root.crt` },
  });
  const signer =
    change.signWith === undefined
      ? registry.app.get(KeyRing).load('ca-root')
      : new KeyObjectSigner(keyOf(change.signWith));
  return sign(change.extensions === undefined ? spec : { ...spec, extensions: spec.extensions.slice(0, 5) }, signer);
}

async function selfMade(role: string): Promise<Certificate> {
  return makeRoot('self', role);
}

function makeRoot(slot: string, role: string): Promise<Certificate> {
  return sign(rootProfile(input(slot, role)), new KeyObjectSigner(keyOf(slot)));
}

async function issueTsa(slot: string, role: string): Promise<Certificate> {
  const { certificate: issuer } = await registry.app.get(CertificateReader).loadAuthority('tsa-ca');
  return sign(tsaProfile({ ...input(slot, role), issuer }), registry.app.get(KeyRing).load('tsa-ca'));
}

function announce({ der }: Certificate, role: Authority['role']) {
  return call(registry, 'post', '/api/v1/authorities', 'alice', { certificate: encodePem('CERTIFICATE', der), role });
}

function activate(name: string, member: string) {
  return call(registry, 'post', `/api/v1/authorities/${name}/activation`, member, { note: 'After the ceremony.' });
}

async function states(): Promise<Record<string, string>> {
  const { items } = (await call(registry, 'get', '/api/v1/authorities')).body as { items: Authority[] };
  return Object.fromEntries(items.map(({ name, state }) => [name, state]));
}

/** An artifact of the vendor, signed with a new certificate and logged. */
async function signAndRegister(): Promise<{ statement: Uint8Array; digest: string }> {
  const { pem, key } = makeCsr();
  const { chain } = await issueTo(registry, vendor, pem);
  const statement = signSomeArtifact(`https://${vendor}.vendors.registry.localhost/`, key, chain);
  const headers = { 'content-type': 'application/cose' };
  const registered = await fetch(`${registry.url}/entries`, { method: 'POST', headers, body: Buffer.from(statement) });
  expect(registered.status).toBe(201);
  const receipt = new Uint8Array(await registered.arrayBuffer());
  const { digests } = readFacts(parseStatement(statement));
  return { statement: attachToStatement(statement, { receipts: [receipt] }), digest: digests[0]! };
}

const MEDIA_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** What a device holds that has followed from the first root on. */
async function trustRoot(): Promise<TufSnapshot> {
  const known = existsSync(cli.path('device'));
  const { snapshot } = await updateTrustRoot({
    ...{ source: `${registry.url}/tuf`, directory: cli.path('device'), now: new Date() },
    ...(known ? {} : { initialRoot: await fetched('/tuf/1.root.json') }),
  });
  return snapshot;
}

async function publish(): Promise<void> {
  await registry.app.get(IssueCrl).run();
  await registry.app.get(PublishTrustRoot).run();
}

async function fetched(path: string): Promise<Uint8Array> {
  const response = await fetch(`${registry.url}${path}`);
  expect(response.status, path).toBe(200);
  return new Uint8Array(await response.arrayBuffer());
}

async function verify(leaf: string, ca: string) {
  const crl = parseCertificate(parsePem('CERTIFICATE', leaf)[0]!).crlUrls[0]!;
  return openssl(
    [
      ...['verify', '-x509_strict', '-crl_check_all', '-CAfile', 'root.pem', '-untrusted', 'issuing.pem'],
      ...['-CRLfile', 'arl.pem', '-CRLfile', 'crl.pem', 'leaf.pem'],
    ],
    {
      'root.pem': encodePem('CERTIFICATE', await fetched('/ca/root.crt')),
      'issuing.pem': encodePem('CERTIFICATE', await fetched(`/ca/${ca}.crt`)),
      'arl.pem': encodePem('X509 CRL', await fetched('/crl/root/0.crl')),
      'crl.pem': encodePem('X509 CRL', await fetched(new URL(crl).pathname)),
      'leaf.pem': leaf,
    },
  );
}

const MESSAGE = Buffer.from('what was signed');

async function stamp(): Promise<Uint8Array> {
  const imprint = new Uint8Array(createHash('sha256').update(MESSAGE).digest());
  const response = await fetch(`${registry.url}/tsa`, {
    method: 'POST',
    headers: { 'content-type': 'application/timestamp-query' },
    body: Buffer.from(encodeTimestampRequest({ hash: 'SHA-256', imprint, certReq: true })),
  });
  return new Uint8Array(await response.arrayBuffer());
}
