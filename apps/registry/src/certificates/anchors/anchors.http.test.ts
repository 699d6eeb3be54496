import { type KeyObject, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { encodeBase64, encodeHex, parseBase64 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { updateTrustRoot } from '@margo-trust/client';
import {
  attachToStatement,
  draftArtifactStatement,
  finishStatement,
  parseStatement,
  REFERENCE_ANNOTATION,
  type TargetArtifact,
} from '@margo-trust/statement';
import { parseAnchorRecord } from '@margo-trust/policy';
import { makeOwnCa, makeOwnLeaf, openssl, validNow, type OwnOptions, type TestIdentity } from '@margo-trust/testkit';
import type { TufSnapshot } from '@margo-trust/tuf';
import { parseTrustRoot, Verifier } from '@margo-trust/verifier';
import type { Anchor, AnchorPage, AnchorPreview, LogEntryDetail, Vendor } from '@margo-trust/wire';
import { encodePem, OID, parseCertificate, parsePem, type Certificate } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { requestHashedRekord } from '../../../../../test/artifact.ts';
import { TestCli } from '../../../../../test/cli.ts';
import { addMember, admitVendor, call, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { SignerFacts } from '../../log/admission/signer-facts.ts';
import { PublishTrustRoot } from '../../trust-root/publish-trust-root.ts';
import { RenewTargets } from '../../trust-root/renew-targets.ts';
import { AnchorReader } from './anchor.reader.ts';

const cli = new TestCli();
let registry: TestRegistry;
let acme: Vendor;
let globex: Vendor;

beforeAll(async () => {
  registry = await startTestRegistry();
  acme = await admit();
  globex = await admit();
});
afterAll(async () => {
  await registry?.close();
  rmSync(cli.home, { recursive: true, force: true });
});

async function admit(): Promise<Vendor> {
  return (await call(registry, 'get', `/api/v1/vendors/${await admitVendor(registry)}`)).body as Vendor;
}

const nameOf = ({ subject: { C, ST, O } }: Vendor) => ({ country: C, state: ST, organization: O });
const caOf = (vendor: Vendor, options: OwnOptions = {}) =>
  makeOwnCa({
    ...validNow(),
    ...options,
    subject: { ...nameOf(vendor), commonName: 'Releases CA', ...options.subject },
  });
const leafOf = (ca: TestIdentity | undefined, vendor: Vendor, options: OwnOptions = {}) =>
  makeOwnLeaf(ca, { ...validNow(), ...options, subject: { ...nameOf(vendor), ...options.subject } });

const requestFor = ({ certificate }: { certificate: Certificate }, vendor: Vendor, change: object = {}) => ({
  certificate: encodePem('CERTIFICATE', certificate.der),
  purpose: 'artifact-signing',
  claims: vendor.claims,
  subject: vendor.subject,
  reason: 'Our build servers sign with it.',
  ...change,
});
const propose = (of: { certificate: Certificate }, vendor: Vendor, change: object = {}, by = 'victor') =>
  call(registry, 'post', `/api/v1/vendors/${vendor.id}/anchors`, by, requestFor(of, vendor, change));
const approve = (id: string, member: string) =>
  call(registry, 'post', `/api/v1/anchors/${id}/approvals`, member, { note: 'Checked by phone.' });
const withdraw = (id: string, by = 'victor') =>
  call(registry, 'post', `/api/v1/anchors/${id}/withdrawal`, by, { reason: 'Not used any more.' });

async function register(of: { certificate: Certificate }, vendor: Vendor, change: object = {}): Promise<Anchor> {
  const proposed = await propose(of, vendor, change);
  if (proposed.status !== 201) throw new Error(proposed.text);
  const { id } = proposed.body as Anchor;
  for (const member of ['alice', 'bob']) {
    const approved = await approve(id, member);
    if (approved.status !== 201) throw new Error(approved.text);
  }
  return (await call(registry, 'get', `/api/v1/anchors/${id}`)).body as Anchor;
}

function artifactOf(vendor: Vendor, path = 'app'): TargetArtifact {
  const reference = `${vendor.claims.ociNamespaces[0]}/${path}:1`;
  return {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    digest: `sha256:${randomBytes(32).toString('hex')}`,
    size: 7,
    annotations: { [REFERENCE_ANNOTATION]: reference },
  };
}

function sign(
  vendor: Vendor,
  { key, certificate }: TestIdentity,
  above: readonly TestIdentity[],
  target: TargetArtifact,
) {
  const draft = draftArtifactStatement({
    ...{ algorithm: 'ES256', issuer: vendor.uri, subject: `oci:image:${target.digest}`, target },
    ...{ signingTime: new Date(), leafDer: certificate.der },
  });
  const chain = [certificate.der, ...above.map((one) => one.certificate.der)];
  return finishStatement(draft, key.sign(draft.toBeSigned, 'ES256'), { chain });
}

/** Status and code, and the statement with its receipt where it was admitted. */
async function send(statement: Uint8Array) {
  const headers = { 'content-type': 'application/cose' };
  const response = await fetch(`${registry.url}/entries`, { method: 'POST', headers, body: Buffer.from(statement) });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status !== 201) return { status: response.status, text: body.toString('latin1') };
  return { status: 201, text: '', logged: attachToStatement(statement, { receipts: [new Uint8Array(body)] }) };
}

async function publish(): Promise<void> {
  if (await registry.app.get(RenewTargets).isDue()) await registry.app.get(RenewTargets).run();
  await registry.app.get(PublishTrustRoot).run();
}

/** What a device holds that has followed from the first root on. */
async function trustRoot(): Promise<TufSnapshot> {
  const root = await fetch(`${registry.url}/tuf/1.root.json`);
  const { snapshot } = await updateTrustRoot({
    ...{ source: `${registry.url}/tuf`, directory: cli.path('device'), now: new Date() },
    ...(existsSync(cli.path('device')) ? {} : { initialRoot: new Uint8Array(await root.arrayBuffer()) }),
  });
  return snapshot;
}

const textOf = (snapshot: TufSnapshot, name: string) => Buffer.from(snapshot.target(name)).toString();

/** A signing certificate that stands alone, of that key. */
function selfSign(key: KeyObject, { subject: { C, ST, O } }: Vendor): Uint8Array {
  const config = [
    ...['[req]', 'distinguished_name = dn', 'x509_extensions = v3', '[dn]', '[v3]'],
    ...['basicConstraints = critical,CA:FALSE', 'keyUsage = critical,digitalSignature'],
    ...['extendedKeyUsage = codeSigning', 'subjectKeyIdentifier = hash'],
  ].join('\n');
  const pem = key.export({ type: 'pkcs8', format: 'pem' }) as string;
  const subject = `/C=${C}/ST=${ST}/O=${O}/CN=Releases`;
  const args = ['req', '-x509', '-new', '-key', 'k.pem', '-config', 'c.cnf', '-utf8', '-subj', subject, '-days', '30'];
  const { stdout } = openssl(args, { 'k.pem': pem, 'c.cnf': config });
  return parsePem('CERTIFICATE', stdout.toString())[0]!;
}

describe('a CA of a vendor’s own', () => {
  const signed: { statement: Uint8Array; target: TargetArtifact }[] = [];
  let ca: TestIdentity;
  let anchor: Anchor;

  it('is nobody’s before it is proposed, and a proposal grants nothing', async () => {
    ca = caOf(acme);
    const refused = await send(sign(acme, leafOf(ca, acme), [ca], artifactOf(acme)));
    expect(refused).toMatchObject({ status: 400, text: expect.stringContaining('x509/no-path') });
    const preview = await call(
      registry,
      'post',
      `/api/v1/vendors/${acme.id}/anchors/preview`,
      'victor',
      requestFor(ca, acme),
    );
    expect(preview.body).toMatchObject({ findings: [], fingerprint: ca.certificate.fingerprint });
    const proposed = await propose(ca, acme, { certificate: encodeBase64(ca.certificate.der) });
    expect(proposed.status, proposed.text).toBe(201);
    anchor = proposed.body as Anchor;
    expect(proposed.headers['location']).toBe(`/api/v1/anchors/${anchor.id}`);
    expect(anchor).toMatchObject({ state: 'proposed', purpose: 'artifact-signing', vendorId: acme.id });
    expect((await send(sign(acme, leafOf(ca, acme), [ca], artifactOf(acme)))).text).toContain('x509/no-path');
  });

  it('is seen by the vendor and by governance alone, until it is registered', async () => {
    const path = `/api/v1/anchors/${anchor.id}`;
    expect((await call(registry, 'get', path)).body).toMatchObject({ code: 'anchor/not-found' });
    const listed = async (by?: string) =>
      ((await call(registry, 'get', `/api/v1/vendors/${acme.id}/anchors`, by)).body as { items: Anchor[] }).items;
    expect(await listed()).toEqual([]);
    expect((await listed('victor')).map(({ id }) => id)).toEqual([anchor.id]);
    const open = (await call(registry, 'get', '/api/v1/anchors/proposals', 'alice')).body as { items: Anchor[] };
    expect(open.items.map(({ id }) => id)).toContain(anchor.id);
    expect((await call(registry, 'get', path, 'alice')).body).toMatchObject({
      reason: 'Our build servers sign with it.',
    });
  });

  it('is registered by two members who are not of the vendor', async () => {
    expect((await approve(anchor.id, 'alice')).body).toMatchObject({ state: 'proposed' });
    expect((await approve(anchor.id, 'alice')).body).toMatchObject({ code: 'anchor/already-approved' });
    await addMember(registry, acme.id, 'carol', 'auditor');
    expect((await approve(anchor.id, 'carol')).body).toMatchObject({ code: 'anchor/own-organisation' });
    const registered = await approve(anchor.id, 'bob');
    expect(registered.body, registered.text).toMatchObject({ state: 'registered', entryId: expect.any(String) });
    expect((await approve(anchor.id, 'bob')).body).toMatchObject({ code: 'anchor/wrong-state' });
    anchor = (await call(registry, 'get', `/api/v1/anchors/${anchor.id}`)).body as Anchor;
    expect(anchor).not.toHaveProperty('reason');
    const { statement } = (await call(registry, 'get', `/api/v1/log/entries/${anchor.entryId}`)).body as LogEntryDetail;
    const { payload } = parseStatement(parseBase64(statement ?? ''));
    expect(parseAnchorRecord(payload).anchor.certificate.fingerprint).toBe(ca.certificate.fingerprint);
  });

  it('signs for its vendor from then on, and offline verifiers count it by its record', async () => {
    const target = artifactOf(acme);
    const { status, text, logged } = await send(sign(acme, leafOf(ca, acme), [ca], target));
    expect(status, text).toBe(201);
    signed.push({ statement: logged!, target });
    await publish();
    const { entryId } = parseStatement(logged!);
    const entry = (await call(registry, 'get', `/api/v1/log/entries/${entryId}`)).body as LogEntryDetail;
    expect(entry.admission).toMatchObject({ anchorRecordEntryId: anchor.entryId });
    expect(entry.admission).not.toHaveProperty('certificateRecordEntryId');
    const verdict = new Verifier(parseTrustRoot(await trustRoot())).verifyArtifact(target, [logged!]);
    expect(verdict).toMatchObject({ trusted: true, finding: { anchorFingerprint: ca.certificate.fingerprint } });
  });

  it.each<[string, () => Promise<{ text: string }>]>([
    ['anchor/subject-mismatch', () => send(sign(acme, leafOf(ca, globex), [ca], artifactOf(acme)))],
    ['x509/no-path', () => send(sign(globex, leafOf(ca, globex), [ca], artifactOf(globex)))],
    ['x509/extended-key-usage', () => send(sign(acme, leafOf(ca, acme, { purposes: [] }), [ca], artifactOf(acme)))],
    ['registration/namespace-not-claimed', () => send(sign(acme, leafOf(ca, acme), [ca], artifactOf(globex)))],
    [
      'x509/bad-signature', // the CA below has signed itself, whoever it says has issued it
      () => {
        const below = caOf(acme, { change: (spec) => ({ ...spec, issuer: ca.certificate.subject.der }) });
        return send(sign(acme, leafOf(below, acme), [below, ca], artifactOf(acme)));
      },
    ],
  ])('is refused with %s where it is not meant', async (code, act) => {
    expect((await act()).text).toContain(code);
  });

  it('is not admitted from Sigstore tools, which say nothing of claims', async () => {
    const body = requestHashedRekord(makeCsr().key, encodePem('CERTIFICATE', leafOf(ca, acme).certificate.der));
    const response = await fetch(`${registry.url}/api/v2/log/entries`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' }, body },
    });
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('none of the anchors')]);
  });

  it('stands in a store of its own for notation, for its vendor and its repositories alone', async () => {
    const snapshot = await trustRoot();
    const store = `anchor-${anchor.id}`;
    const [der] = parsePem('CERTIFICATE', textOf(snapshot, `notation.ca.${store}.1.crt`));
    expect(der).toEqual(ca.certificate.der);
    const policy = JSON.parse(textOf(snapshot, 'notation.trustpolicy.oci.json')) as {
      trustPolicies: { registryScopes: string[]; trustStores: string[]; trustedIdentities: string[] }[];
    };
    expect(policy.trustPolicies[0]).toMatchObject({ registryScopes: ['*'], trustStores: ['ca:margo', 'tsa:margo'] });
    expect(policy.trustPolicies[1]).toMatchObject({
      registryScopes: acme.claims.ociNamespaces,
      trustStores: ['ca:margo', 'tsa:margo', `ca:${store}`],
      trustedIdentities: [`x509.subject: C=DE, ST=Hessen, O=${acme.legalName}`],
    });
    expect(policy.trustPolicies).toHaveLength(2);
  });

  it('is written for notation by our tool, each store in its folder', async () => {
    expect((await cli.run(['--registry', registry.url, 'root', 'init', '--trust-first-use'])).code).toBe(0);
    const exported = await cli.run(['--registry', registry.url, 'root', 'export', '--notation', cli.path('notation')]);
    expect(exported.code, exported.stderr).toBe(0);
    const read = (name: string) => readFileSync(cli.path(`notation/${name}`), 'utf8');
    const pem = encodePem('CERTIFICATE', ca.certificate.der);
    expect(read(`truststore/x509/ca/anchor-${anchor.id}/1.crt`)).toBe(pem);
    expect(read('truststore/x509/tsa/margo/1.crt')).toContain('BEGIN CERTIFICATE');
    expect(read('trustpolicy.json')).toBe(textOf(await trustRoot(), 'notation.trustpolicy.oci.json'));
  });

  it('is refused a second time, whoever asks', async () => {
    expect((await propose(ca, acme)).body).toMatchObject({
      code: 'anchor/unfit',
      detail: expect.stringContaining('registered already'),
    });
    const theirs = await propose(ca, globex);
    expect(theirs.body).toMatchObject({ detail: expect.stringContaining('Another vendor has registered its key.') });
  });

  it('takes its key out of issuing: a key serves one purpose', async () => {
    const { pem, key } = makeCsr();
    const der = selfSign(key, acme);
    await register({ certificate: parseCertificate(der) }, acme);
    const issued = await call(registry, 'post', `/api/v1/vendors/${acme.id}/certificates`, 'victor', { csr: pem });
    expect(issued.body).toMatchObject({ code: 'certificate/key-used' });
  });

  it('stops at the seal when it is withdrawn while a statement waits', async () => {
    const second = leafOf(undefined, acme);
    const own = await register(second, acme);
    const stale = await registry.app.get(SignerFacts).anchors();
    expect((await withdraw(own.id)).body).toMatchObject({ state: 'withdrawn', withdrawalEntryId: expect.any(String) });
    const late = vi.spyOn(registry.app.get(SignerFacts), 'anchors').mockResolvedValue(stale);
    try {
      const { text } = await send(sign(acme, second, [], artifactOf(acme)));
      expect(text).toContain('registration/anchor-withdrawn');
    } finally {
      late.mockRestore();
    }
  });

  it('stops when its key is revoked, at the log and on devices', async () => {
    const lost = caOf(acme, { subject: { commonName: 'Lost CA' } });
    const own = await register(lost, acme);
    const target = artifactOf(acme);
    const { logged } = await send(sign(acme, leafOf(lost, acme), [lost], target));
    const key = encodeHex(sha256(lost.certificate.spki));
    const order = { target: { key }, reason: 'keyCompromise' };
    const preview = await call(registry, 'post', '/api/v1/revocations/preview', 'victor', order);
    expect(preview.body, preview.text).toMatchObject({ counts: { stops: 1, keeps: 0, refused: 0 } });
    expect((await call(registry, 'post', '/api/v1/revocations', 'vera', order)).status).toBe(403);
    const revoked = await call(registry, 'post', '/api/v1/revocations', 'victor', order);
    expect(revoked.status, revoked.text).toBe(201);
    const after = await call(registry, 'post', '/api/v1/revocations/preview', 'victor', order);
    expect(after.body).toMatchObject({ counts: { stops: 0, keeps: 0, refused: 1 } });
    expect((await send(sign(acme, leafOf(lost, acme), [lost], artifactOf(acme)))).text).toContain(
      'registration/certificate-revoked',
    );
    await publish();
    const snapshot = await trustRoot();
    expect(new Verifier(parseTrustRoot(snapshot)).verifyArtifact(target, [logged!])).toMatchObject({
      code: 'verify/issuer-revoked',
    });
    expect(textOf(snapshot, 'notation.trustpolicy.oci.json')).not.toContain(own.id);
    expect((await withdraw(own.id, 'alice')).status).toBe(201);
    expect((await propose(lost, acme)).body).toMatchObject({ detail: expect.stringContaining('Its key is revoked.') });
  });

  it('loses one signing key to its vendor’s own word, and what others have signed stands', async () => {
    const [lost, kept] = [leafOf(ca, acme), leafOf(ca, acme)];
    const targets = [artifactOf(acme), artifactOf(acme)] as const;
    const logged = await Promise.all([
      send(sign(acme, lost, [ca], targets[0])),
      send(sign(acme, kept, [ca], targets[1])),
    ]);
    const order = { target: { key: encodeHex(sha256(lost.certificate.spki)) }, reason: 'keyCompromise' };
    expect((await call(registry, 'post', '/api/v1/revocations', 'vera', order)).status).toBe(403);
    const revoked = await call(registry, 'post', '/api/v1/revocations', 'victor', order);
    expect(revoked.status, revoked.text).toBe(201);
    expect((await send(sign(acme, lost, [ca], artifactOf(acme)))).text).toContain('certificate-revoked');
    await publish();
    const verifier = new Verifier(parseTrustRoot(await trustRoot()));
    const verdicts = targets.map((target, i) => verifier.verifyArtifact(target, [logged[i]!.logged!]));
    expect(verdicts).toMatchObject([{ code: 'verify/key-revoked' }, { trusted: true }]);
  });

  it('is withdrawn by one: what it signed before stands, and nothing follows', async () => {
    expect((await withdraw(anchor.id, 'vera')).status).toBe(403);
    expect((await withdraw(anchor.id)).status).toBe(201);
    expect((await withdraw(anchor.id)).body).toMatchObject({ code: 'anchor/wrong-state' });
    expect((await send(sign(acme, leafOf(ca, acme), [ca], artifactOf(acme)))).text).toContain('x509/no-path');
    await publish();
    const snapshot = await trustRoot();
    const verifier = new Verifier(parseTrustRoot(snapshot));
    for (const { statement, target } of signed) expect(verifier.verifyArtifact(target, [statement]).trusted).toBe(true);
    expect(snapshot.targetNames.some((name) => name.includes(anchor.id))).toBe(false);
    // The same vendor may bring it again, with other terms.
    expect(
      (await propose(ca, acme, { claims: { applicationIdPrefixes: [], ociNamespaces: acme.claims.ociNamespaces } }))
        .status,
    ).toBe(201);
  });

  it('an auditor follows all of it, from the log alone', async () => {
    const replayed = await cli.run(['--registry', registry.url, '--json', 'log', 'replay']);
    expect(replayed.code, replayed.stdout + replayed.stderr).toBe(0);
    expect(replayed.json()).toMatchObject({ replay: { admissions: 4 } });
  });
});

describe('what is refused', () => {
  it('with every reason at once, and the same in a preview', async () => {
    const bad = caOf(acme, {
      purposes: [OID.serverAuth],
      subject: { organization: 'DigiCert, Inc.' },
      keyType: 'RSA-2048',
    });
    const change = { claims: globex.claims, subject: { O: acme.legalName }, validUntil: '2199-01-01T00:00:00Z' };
    const refused = await propose(bad, acme, change);
    expect([refused.status, refused.body.code]).toEqual([422, 'anchor/unfit']);
    const preview = await call(
      registry,
      'post',
      `/api/v1/vendors/${acme.id}/anchors/preview`,
      'victor',
      requestFor(bad, acme, change),
    );
    const { findings } = preview.body as AnchorPreview;
    for (const expected of [
      /is not 1\.3\.6/,
      /2048 bits/,
      /reaches beyond/,
      /does not have the claim/,
      /must have C=DE/,
      /vouches for anybody/,
    ]) {
      expect(findings).toContainEqual(expect.stringMatching(expected));
    }
    for (const finding of findings) expect(refused.body.detail).toContain(finding);
  });

  it.each<[string, RegExp, () => Promise<{ certificate: Certificate }>]>([
    [
      'what the registry has issued',
      /issued it[^]*has a certificate of this registry/,
      async () => {
        const { certificate } = await issueTo(registry, acme.id);
        return { certificate: parseCertificate(parsePem('CERTIFICATE', certificate)[0]!) };
      },
    ],
    [
      'the CA of the registry',
      /name or the key of a CA of this registry/,
      async () => {
        const der = await (await fetch(`${registry.url}/ca/issuing-1.crt`)).arrayBuffer();
        return { certificate: parseCertificate(new Uint8Array(der)) };
      },
    ],
  ])('%s', async (_what, message, make) => {
    expect((await propose(await make(), acme)).body).toMatchObject({ detail: expect.stringMatching(message) });
  });

  it('anybody who is neither owner nor governance', async () => {
    expect((await propose(caOf(acme), acme, {}, 'vera')).body).toMatchObject({ code: 'caller/forbidden' });
    expect((await propose(caOf(acme), acme, {}, 'alice')).status).toBe(201);
  });

  it.each<[string, object]>([
    ['x509/malformed', { certificate: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' }],
    ['bytes/bad-base64', { certificate: '????' }],
    ['http/invalid-body', { purpose: 'anything' }],
    ['http/invalid-body', { subject: { serialNumber: '1' } }],
    ['http/invalid-body', { validFrom: '2026-02-31T00:00:00Z' }],
  ])('%s', async (code, change) => {
    expect((await propose(caOf(acme), acme, change)).body).toMatchObject({ code });
  });

  it('more than twenty at a time', async () => {
    const vendor = await admit();
    for (let n = 0; n < 20; n += 1) expect((await propose(caOf(vendor), vendor)).status).toBe(201);
    expect((await propose(caOf(vendor), vendor)).body).toMatchObject({ code: 'anchor/too-many' });
  });

  it('an approval when the vendor lost its standing since', async () => {
    const vendor = await admit();
    const { id } = (await propose(caOf(vendor), vendor)).body as Anchor;
    expect((await approve(id, 'alice')).status).toBe(201);
    const suspended = await call(registry, 'post', `/api/v1/vendors/${vendor.id}/suspension`, 'alice', {
      reason: 'Test.',
    });
    expect(suspended.status).toBe(201);
    expect((await approve(id, 'bob')).body).toMatchObject({
      code: 'anchor/unfit',
      detail: expect.stringContaining('The vendor is not active.'),
    });
    expect((await withdraw(id)).body).toMatchObject({ state: 'withdrawn' });
    expect((await approve(id, 'bob')).body).toMatchObject({ code: 'anchor/wrong-state' });
  });
});

describe('the directory of device manufacturers’ CAs', () => {
  it('has each CA that was registered for that, page by page, and in the trust root', async () => {
    const maker = await admit();
    const change = { purpose: 'device-idevid', claims: undefined, subject: { O: maker.legalName } };
    const cas = [0, 1, 2].map((n) =>
      caOf(maker, { purposes: [], keyType: 'RSA-2048', subject: { commonName: `Devices ${n}` } }),
    );
    for (const ca of cas) await register(ca, maker, change);
    const found: string[] = [];
    let path: string | undefined = '/api/v1/anchors?purpose=device-idevid&limit=2';
    while (path !== undefined) {
      const page = await call(registry, 'get', path);
      const { items, next } = page.body as AnchorPage;
      found.push(...items.map(({ fingerprint }) => fingerprint));
      path = next && `/api/v1/anchors?purpose=device-idevid&limit=2&after=${next}`;
      expect(page.headers['link'] !== undefined).toBe(path !== undefined);
    }
    expect(found).toEqual(cas.map(({ certificate }) => certificate.fingerprint));
    await publish();
    const file = JSON.parse(textOf(await trustRoot(), 'live.device-cas.json')) as { cas: object[] };
    expect(file.cas).toHaveLength(3);
    expect(file.cas[0]).toMatchObject({ vendor: maker.id, record: expect.any(String) });

    const device = leafOf(cas[2], maker, { purposes: [], subject: { commonName: 'SN 4711' } });
    writeFileSync(cli.path('idevid.pem'), encodePem('CERTIFICATE', device.certificate.der));
    const verified = await cli.run(['--registry', registry.url, '--json', 'device', 'verify', cli.path('idevid.pem')]);
    expect(verified.json(), verified.stderr).toMatchObject({ device: { vendorName: maker.legalName } });
    writeFileSync(cli.path('other.pem'), encodePem('CERTIFICATE', leafOf(caOf(maker), maker).certificate.der));
    const unknown = await cli.run(['--registry', registry.url, 'device', 'verify', cli.path('other.pem')]);
    expect([unknown.code, unknown.stderr]).toEqual([
      expect.any(Number),
      expect.stringContaining('none of the anchors'),
    ]);
    expect(unknown.code).not.toBe(0);
  });

  it('refuses a purpose and a cursor that it does not know', async () => {
    for (const query of ['purpose=x', 'after=x', 'limit=0']) {
      expect((await call(registry, 'get', `/api/v1/anchors?${query}`)).body).toMatchObject({
        code: 'http/invalid-query',
      });
    }
  });
});

describe('AnchorReader', () => {
  it('gives the same array until something changes, and reads anew within a transaction', async () => {
    const reader = registry.app.get(AnchorReader);
    const before = await reader.inForce();
    expect(await reader.inForce()).toBe(before);
    await register(leafOf(undefined, acme), acme);
    const after = await reader.inForce();
    expect(after).not.toBe(before);
    expect(after).toHaveLength(before.length + 1);
  });
});

// Last: nothing is published any more once there are records that the log does not hold.
describe('the anchors of a vendor in all', () => {
  it('are five hundred at most, since withdrawn ones stay published', async () => {
    const vendor = await admit();
    const { id } = (await propose(caOf(vendor), vendor)).body as Anchor;
    await registry.source.query(
      `INSERT INTO anchor (id, vendor_id, purpose, der, fingerprint, spki_sha256, terms, reason, issuer, subject, proposed_at,
                           registered_at, log_index, entry_id, withdrawn_at, withdrawal_entry_id)
       SELECT lpad(to_hex(n), 26, '0'), vendor_id, purpose, der, fingerprint, spki_sha256, terms, reason, issuer, subject,
              proposed_at, now(), 1000000 + n, 'r' || n, now(), 'w' || n
       FROM anchor, generate_series(1, $2) n WHERE id = $1`,
      [id, 499],
    );
    expect((await propose(caOf(vendor), vendor)).status).toBe(201);
    await registry.source.query(
      `INSERT INTO anchor SELECT repeat('f', 26), vendor_id, purpose, der, fingerprint, spki_sha256, terms, reason, issuer,
         subject, proposed_at, now(), 2000000, 'r', now(), 'w' FROM anchor WHERE id = $1`,
      [id],
    );
    expect((await propose(caOf(vendor), vendor)).body).toMatchObject({ code: 'anchor/too-many' });
  });
});
