import { createSign, generateKeyPairSync, randomUUID, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { FulcioSigner } from '@sigstore/sign';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseBase64, parseHex } from '@margo-trust/bytes';
import { openRevocationFilter } from '@margo-trust/revocation-filter';
import { makeOwnCa, openssl } from '@margo-trust/testkit';
import { parsePublicKey, sha256 } from '@margo-trust/crypto';
import { parseStatement } from '@margo-trust/statement';
import { type Certificate, lintLeaf, parseCertificate, parsePem, readAssurance, readWorkload } from '@margo-trust/x509';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { requestHashedRekord } from '../../../../../test/artifact.ts';
import { startTestIssuer, type TestIssuer } from '../../../../../test/issuer.ts';
import { addMember, admitVendor, call, ensurePki, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { FixedClock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { LogReader } from '../../log/log.reader.ts';
import { RevocationReader } from '../../revocation/revocation.reader.ts';
import { MakeFilter } from '../../trust-root/make-filter.ts';
import { CertificateReader } from '../certificate.reader.ts';
import { SignLeaf } from '../sign-leaf.ts';

const SUBJECT = 'repo:acme/app:ref:refs/tags/v1.2.3';
const PATTERN = 'repo:acme/app:ref:refs/tags/v*';

let issuer: TestIssuer;
let registry: TestRegistry;
let vendor: string;
let clock: FixedClock;

beforeAll(async () => {
  issuer = await startTestIssuer();
  clock = new FixedClock(new Date());
  registry = await startTestRegistry({ clock, env: { WORKLOAD_ISSUERS: issuer.url } });
  await ensurePki(registry);
  vendor = await admitVendor(registry);
  await bind(vendor);
});
afterAll(async () => {
  await registry?.close();
  issuer?.close();
});

const bindings = (id: string) => `/api/v1/vendors/${id}/workload-bindings`;
const uriOf = (id: string) => `https://${id}.vendors.registry.localhost/`;

async function bind(id: string, change: object = {}): Promise<{ id: string; entryId: string }> {
  const request = { issuer: issuer.url, subject: PATTERN, ...change };
  const bound = await call(registry, 'post', bindings(id), 'victor', request);
  if (bound.status !== 201) throw new Error(bound.text);
  return bound.body as { id: string; entryId: string };
}

/** A token of a build of GitHub's shape, good now. */
function tokenFor(change: Record<string, unknown> = {}, audience = uriOf(vendor)): Promise<string> {
  const iat = Math.floor(clock.now().getTime() / 1_000);
  const claims = { iat, exp: iat + 300, jti: randomUUID(), repository: 'acme/app', repository_id: '42', ...change };
  return issuer.token(SUBJECT, audience, claims);
}

interface Request {
  token?: string;
  key?: KeyObject;
  signed?: string;
  body?: object;
  bearer?: string;
}

/** As cosign asks: a bare key, and a signature over the subject. */
async function exchange({ token, key = makeKey(), signed = SUBJECT, body, bearer }: Request = {}) {
  const publicKeyRequest = {
    publicKey: { algorithm: 'ECDSA', content: publicPem(key) },
    proofOfPossession: createSign('sha256').update(signed).sign(key, 'base64'),
  };
  const credentials = token === undefined ? {} : { credentials: { oidcIdentityToken: token } };
  const response = await fetch(`${registry.url}/api/v2/signingCert`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    },
    body: JSON.stringify(body ?? { ...credentials, publicKeyRequest }),
  });
  const answer = (await response.json()) as {
    code?: string;
    detail?: string;
    signedCertificateEmbeddedSct?: { chain: { certificates: string[] } };
  };
  const chain = answer.signedCertificateEmbeddedSct?.chain.certificates ?? [];
  return { status: response.status, code: answer.code, detail: answer.detail, chain };
}

const makeKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const publicPem = (key: KeyObject) =>
  openssl(['pkey', '-in', 'k.pem', '-pubout'], {
    'k.pem': key.export({ type: 'pkcs8', format: 'pem' }) as string,
  }).stdout.toString();
const parse = (pem: string | undefined) => parseCertificate(parsePem('CERTIFICATE', pem ?? '')[0]!);
/** The filter over everything issued, as the trust root would carry it now. */
const filter = () =>
  registry.app.get(Db).transaction(async (tx) => {
    const { size } = await registry.app.get(LogReader).loadHead();
    const revoked = await registry.app.get(RevocationReader).certificates(tx);
    return openRevocationFilter(await registry.app.get(MakeFilter).run(tx, size, revoked));
  });
const traces = async () => {
  const [row] = await registry.source.query<{ n: string }[]>(
    `SELECT (SELECT size FROM log_head) || '/' || (SELECT count(*) FROM certificate) || '/' ||
       (SELECT count(*) FROM workload_token) AS n`,
  );
  return row!.n;
};

describe('the filter over everything issued', () => {
  it('knows certificates of builds, the revoked from the others', async () => {
    const chains = [await exchange({ token: await tokenFor() }), await exchange({ token: await tokenFor() })];
    const [lost, kept] = chains.map(({ chain }) => parse(chain[0])) as [Certificate, Certificate];
    const issuer = sha256(parse(chains[0]!.chain[1]).spki);
    const judge = async (leaf: Certificate) => (await filter()).isRevoked(issuer, parseHex(leaf.serialHex));
    expect((await filter()).covers(issuer)).toBe(true);
    expect([await judge(lost), await judge(kept)]).toEqual([false, false]);
    const path = `/api/v1/certificates/${lost.serialHex}/revocation`;
    const revoked = await call(registry, 'post', path, 'victor', { reason: 'keyCompromise' });
    expect(revoked.status, revoked.text).toBe(201);
    expect([await judge(lost), await judge(kept)]).toEqual([true, false]);
    const others = makeOwnCa().certificate;
    expect((await filter()).covers(sha256(others.spki)), 'nothing is said of what others issue').toBe(false);
  });
});

describe('a build', () => {
  it('gets a certificate for a day, which names it and keeps the profile', async () => {
    const key = makeKey();
    const claims = { repository_owner: 'acme', repository_owner_id: '7', ref: 'refs/tags/v1.2.3', event_name: 'push' };
    const { status, chain } = await exchange({ key, token: await tokenFor(claims) });
    expect(status).toBe(200);
    expect(chain).toHaveLength(3);

    const leaf = parse(chain[0]);
    const { sctKey } = (await call(registry, 'get', '/log/log.json')).body as { sctKey: string };
    const context = {
      issuer: parse(chain[1]),
      registry: 'https://registry.localhost',
      log: parsePublicKey(parseBase64(sctKey)),
    };
    expect(lintLeaf(leaf.der, context)).toEqual([]);
    expect(readAssurance(leaf)).toBe('ci');
    expect(readWorkload(leaf)).toEqual({
      issuer: issuer.url,
      subject: SUBJECT,
      facts: {
        sourceRepositoryUri: `${issuer.url}/acme/app`,
        sourceRepositoryRef: 'refs/tags/v1.2.3',
        sourceRepositoryIdentifier: '42',
        sourceRepositoryOwnerUri: `${issuer.url}/acme`,
        sourceRepositoryOwnerIdentifier: '7',
        buildTrigger: 'push',
      },
    });
    expect(leaf.uriSans).toEqual([uriOf(vendor)]);
    expect(leaf.notAfter.getTime() - leaf.notBefore.getTime()).toBe(86_400_000);
    expect(leaf.distributionPoints).toEqual([]);
    expect(new X509Certificate(chain[0]!).checkPrivateKey(key)).toBe(true);
    const verified = openssl(
      ['verify', '-x509_strict', '-attime', `${Math.ceil(clock.now().getTime() / 1_000)}`].concat([
        '-CAfile',
        'root.pem',
        '-untrusted',
        'issuing.pem',
        'leaf.pem',
      ]),
      { 'root.pem': chain[2]!, 'issuing.pem': chain[1]!, 'leaf.pem': chain[0]! },
    );
    expect(verified.output).toContain('leaf.pem: OK');
  });

  it('has it on record with the binding it rests on, and in the list of the vendor', async () => {
    const { entryId } = await bind(vendor, { subject: 'repo:acme/other:ref:refs/heads/main' });
    const token = await tokenFor({ sub: 'repo:acme/other:ref:refs/heads/main' });
    const { chain } = await exchange({ token, signed: 'repo:acme/other:ref:refs/heads/main' });
    const { serialHex, fingerprint } = parse(chain[0]);
    const shown = (await call(registry, 'get', `/api/v1/certificates/${serialHex}`)).body as Record<string, string>;
    const workload = { issuer: issuer.url, subject: 'repo:acme/other:ref:refs/heads/main' };
    expect(shown).toMatchObject({ vendorId: vendor, fingerprint, assurance: 'ci', workload });
    expect(shown).not.toHaveProperty('renewAfter');
    const issued = await payloadOf(shown['entryId']!);
    const common = { vendor, assurance: 'ci', binding: entryId, workload };
    expect(issued).toMatchObject({ record: 'certificate-issued', ...common });
    expect(await payloadOf(issued['announced']!)).toMatchObject({ record: 'certificate-announced', ...common });
    const trail = await registry.source.query<{ actor: string }[]>('SELECT actor FROM audit_event WHERE subject = $1', [
      `certificate:${fingerprint}`,
    ]);
    expect(trail).toEqual([{ actor: `${issuer.url}#${workload.subject}` }]);
  });

  it('may send a certification request instead, and its token as Bearer', async () => {
    const { pem } = makeCsr();
    const token = await tokenFor();
    const certificateSigningRequest = Buffer.from(pem).toString('base64');
    expect((await exchange({ bearer: token, body: { certificateSigningRequest } })).status).toBe(200);
  });

  it('may use Sigstore for JavaScript, which makes its own key', async () => {
    const signer = new FulcioSigner({
      fulcioBaseURL: registry.url,
      identityProvider: { getToken: () => tokenFor() },
    });
    const data = Buffer.from('an artifact');
    const { signature, key } = await signer.sign(data);
    const certificate = key.$case === 'x509Certificate' ? key.certificate : '';
    expect(readAssurance(parse(certificate))).toBe('ci');
    expect(verify('sha256', data, new X509Certificate(certificate).publicKey, signature)).toBe(true);
  });

  it('may prove its key by the address in the token, as for a person', async () => {
    const token = await tokenFor({ email: 'build@acme.example' });
    expect((await exchange({ token, signed: 'build@acme.example' })).status).toBe(200);
  });

  it('may have a token for the registry as a whole', async () => {
    expect((await exchange({ token: await tokenFor({}, registry.url) })).status).toBe(200);
  });

  it('gets the same certificate when the answer was lost, and none for another key', async () => {
    const [token, key] = [await tokenFor(), makeKey()];
    const first = await exchange({ token, key });
    const before = await traces();
    expect(await exchange({ token, key })).toEqual(first);
    expect((await exchange({ token })).code).toBe('workload/token-used');
    expect(await traces()).toBe(before);
  });

  it('gets one certificate of many keys that race for its token', async () => {
    const token = await tokenFor();
    const answers = await Promise.all(Array.from({ length: 4 }, () => exchange({ token })));
    expect(answers.map(({ code }) => code ?? 'issued').sort()).toEqual([
      'issued',
      'workload/token-used',
      'workload/token-used',
      'workload/token-used',
    ]);
  });

  it('cut short before the CA signs gets its certificate when it asks again', async () => {
    const [token, key] = [await tokenFor(), makeKey()];
    const crash = vi.spyOn(registry.app.get(SignLeaf), 'issue').mockRejectedValueOnce(new Error('the power went'));
    expect((await exchange({ token, key })).status).toBe(500);
    crash.mockRestore();
    expect((await exchange({ token })).code).toBe('workload/token-used');
    expect((await exchange({ token: await tokenFor(), key })).code, 'what is begun names another token’s build').toBe(
      'certificate/key-used',
    );
    expect((await exchange({ token, key })).status).toBe(200);
  });
});

describe('nothing is given', () => {
  it('after the binding has ended, also when the token was taken before', async () => {
    const own = await admitVendor(registry);
    const { id } = await bind(own);
    const [token, key] = [await tokenFor({}, uriOf(own)), makeKey()];
    const crash = vi.spyOn(registry.app.get(SignLeaf), 'issue').mockRejectedValueOnce(new Error('the power went'));
    expect((await exchange({ token, key })).status).toBe(500);
    crash.mockRestore();
    expect((await call(registry, 'delete', `${bindings(own)}/${id}`, 'victor')).status).toBe(204);
    expect((await exchange({ token, key })).code).toBe('workload/not-bound');
    expect((await exchange({ token: await tokenFor({}, uriOf(own)) })).code).toBe('workload/not-bound');
    expect((await call(registry, 'get', bindings(own))).body).toEqual({ items: [] });
  });

  it('when the binding ends between the question and the commit', async () => {
    const own = await admitVendor(registry);
    const { id } = await bind(own);
    const leaf = registry.app.get(SignLeaf);
    const draft = leaf.draft.bind(leaf);
    const late = vi.spyOn(leaf, 'draft').mockImplementationOnce(async (...order) => {
      await call(registry, 'delete', `${bindings(own)}/${id}`, 'victor');
      return draft(...order);
    });
    const before = await registry.source.query('SELECT count(*) FROM precertificate');
    expect((await exchange({ token: await tokenFor({}, uriOf(own)) })).code).toBe('workload/not-bound');
    late.mockRestore();
    expect(await registry.source.query('SELECT count(*) FROM precertificate')).toEqual(before);
  });

  it('to builds of a suspended vendor', async () => {
    const own = await admitVendor(registry);
    await bind(own);
    await call(registry, 'post', `/api/v1/vendors/${own}/suspension`, 'alice', { reason: 'Check.' });
    expect((await exchange({ token: await tokenFor({}, uriOf(own)) })).code).toBe('certificate/vendor-not-active');
    const bound = await call(registry, 'post', bindings(own), 'victor', {
      issuer: issuer.url,
      subject: 'repo:acme/x:ref:refs/heads/main',
    });
    expect(bound.body.code).toBe('certificate/vendor-not-active');
  });

  it('to a build that two vendors have bound, unless its token says for which', async () => {
    const [one, other] = [await admitVendor(registry), await admitVendor(registry)];
    const subject = 'repo:shared/app:ref:refs/heads/main';
    for (const id of [one, other]) await bind(id, { subject });
    const asked = async (audience: string) =>
      exchange({ token: await tokenFor({ sub: subject }, audience), signed: subject });
    expect((await asked(registry.url)).code).toBe('workload/ambiguous');
    const { chain } = await asked(uriOf(other));
    expect(parse(chain[0]).uriSans).toEqual([uriOf(other)]);
  });

  it.each([
    ['another repository', { sub: 'repo:acme/app2:ref:refs/tags/v1' }],
    ['another owner of the same name', { sub: 'repo:evil/app:ref:refs/tags/v1' }],
    ['a branch', { sub: 'repo:acme/app:ref:refs/heads/v1' }],
    ['a pull request', { sub: 'repo:acme/app:pull_request' }],
    ['more segments', { sub: `${SUBJECT}/x` }],
  ])('to a build of %s', async (_, change) => {
    const before = await traces();
    const { status, code } = await exchange({ token: await tokenFor(change), signed: change.sub });
    expect([status, code]).toEqual([403, 'workload/not-bound']);
    expect(await traces()).toBe(before);
  });

  it('to a build whose claims are not those of the binding', async () => {
    const subject = 'repo:acme/strict:ref:refs/heads/main';
    await bind(vendor, {
      subject,
      claims: [
        { name: 'repository_id', value: '42' },
        { name: 'ref_protected', value: 'true' },
      ],
    });
    const asked = async (change: object) =>
      (await exchange({ token: await tokenFor({ sub: subject, ...change }), signed: subject })).code;
    expect(await asked({ repository_id: 42, ref_protected: true })).toBeUndefined();
    for (const change of [
      { repository_id: '43', ref_protected: 'true' },
      { repository_id: '42' },
      { repository_id: ['42'], ref_protected: 'true' },
      { repository_id: '42', ref_protected: { toString: 'true' } },
    ]) {
      expect(await asked(change)).toBe('workload/not-bound');
    }
  });

  const seconds = () => Math.floor(clock.now().getTime() / 1_000);
  it.each<[string, () => Promise<string> | string]>([
    ['is none', () => 'x'],
    ['is none, in three parts', () => 'a.b.c'],
    ['is not signed', () => new UnsecuredJWT({ iss: issuer.url, sub: SUBJECT, aud: registry.url }).encode()],
    ['has expired', () => tokenFor({ iat: seconds() - 600, exp: seconds() - 60 })],
    ['never expires', () => tokenFor({ exp: undefined })],
    ['is not valid yet', () => tokenFor({ nbf: seconds() + 600 })],
    ['was made tomorrow', () => tokenFor({ iat: seconds() + 86_400, exp: seconds() + 90_000 })],
    ['does not say when it was made', () => tokenFor({ iat: undefined })],
    ['is days old', () => tokenFor({ iat: seconds() - 3 * 86_400 })],
    ['is for somebody else', () => tokenFor({}, 'sigstore')],
    ['is for nobody', () => tokenFor({ aud: undefined })],
    ['is for others as well', () => tokenFor({ aud: [registry.url, 'https://elsewhere.example'] })],
    ['is for a vendor that is not there', () => tokenFor({}, uriOf('01jx0000000000000000000000'))],
    ['is of an issuer that is not known here', () => tokenFor({ iss: 'https://elsewhere.example' })],
    ['names nobody', () => tokenFor({ sub: undefined })],
    ['names somebody in control characters', () => tokenFor({ sub: `${SUBJECT}\n` })],
    ['names somebody at length', () => tokenFor({ sub: SUBJECT + 'x'.repeat(2_000) })],
    ['is signed by somebody else', () => forge({ alg: 'ES256', kid: 'k1' })],
    ['is signed by a secret', () => forge({ alg: 'HS256', kid: 'k1' })],
    ['names a key that is not published', () => forge({ alg: 'ES256', kid: 'k9' })],
    ['brings its own key', () => forge({ alg: 'ES256', kid: 'k1', jku: 'https://evil.example/keys' })],
    ['has a bit flipped', async () => (await tokenFor()).replace(/.(?=.{10}$)/, (c) => (c === 'A' ? 'B' : 'A'))],
  ])('for a token that %s', async (_, make) => {
    const before = await traces();
    const { status, code } = await exchange({ token: await make() });
    expect([status, code]).toEqual([401, 'workload/invalid-token']);
    expect(await traces()).toBe(before);
  });

  it('for an access token of a person who signs in elsewhere', async () => {
    const token = (await registry.bearer('victor')).slice('Bearer '.length);
    expect((await exchange({ token, signed: 'victor' })).code).toBe('workload/not-bound');
  });

  it('without a token', async () => {
    expect((await exchange()).code).toBe('workload/invalid-token');
  });

  it.each<[string, Request, number, string]>([
    ['signed another name', { signed: 'repo:acme/app' }, 400, 'workload/bad-proof'],
    ['signed nothing', { signed: '' }, 400, 'workload/bad-proof'],
    [
      'has no curve of ours',
      { key: generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey },
      422,
      'certificate/key-refused',
    ],
    [
      'has no EC key',
      { key: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey },
      422,
      'certificate/key-refused',
    ],
  ])('to one who %s', async (_, request, status, code) => {
    const answer = await exchange({ ...request, token: await tokenFor() });
    expect([answer.status, answer.code]).toEqual([status, code]);
  });

  it('for a key that a member has had certified, or a build', async () => {
    const { pem, key } = makeCsr();
    await call(registry, 'post', `/api/v1/vendors/${vendor}/certificates`, 'victor', { csr: pem });
    expect((await exchange({ token: await tokenFor(), key })).code).toBe('certificate/key-used');
    const used = makeKey();
    await exchange({ token: await tokenFor(), key: used });
    expect((await exchange({ token: await tokenFor(), key: used })).code).toBe('certificate/key-used');
  });

  it('of the other class for a key whose certificate was begun', async () => {
    const { pem, key } = makeCsr();
    const crash = vi.spyOn(registry.app.get(SignLeaf), 'issue').mockRejectedValueOnce(new Error('the power went'));
    await call(registry, 'post', `/api/v1/vendors/${vendor}/certificates`, 'victor', { csr: pem });
    crash.mockRestore();
    expect((await exchange({ token: await tokenFor(), key })).code).toBe('certificate/key-used');
  });
});

describe('a binding', () => {
  const ask = async (request: object, account = 'victor', id = vendor) => {
    const { status, body } = await call(registry, 'post', bindings(id), account, request);
    return [status, body.code as string | undefined];
  };

  it('is shown to everybody, with the audience to ask for, and is on record', async () => {
    const own = await admitVendor(registry);
    const claims = [
      { name: 'repository_owner_id', value: '7' },
      { name: 'repository_id', value: '42' },
    ];
    const { id, entryId } = await bind(own, { claims });
    const { items } = (await call(registry, 'get', bindings(own))).body as { items: object[] };
    const sorted = [claims[1], claims[0]];
    expect(items).toMatchObject([
      { id, vendorId: own, subject: PATTERN, claims: sorted, audience: uriOf(own), entryId },
    ]);
    expect(await payloadOf(entryId)).toMatchObject({
      ...{ record: 'workload-bound', vendor: own, issuer: issuer.url, subject: PATTERN },
      claims: { repository_id: '42', repository_owner_id: '7' },
    });
    expect((await call(registry, 'delete', `${bindings(own)}/${id}`, 'victor')).status).toBe(204);
    const last = (await call(registry, 'get', `/api/v1/log/entries?vendor=${own}`)).body.items[0].entryId as string;
    expect(await payloadOf(last)).toMatchObject({ record: 'workload-unbound', vendor: own, binding: entryId });
    const actions = await registry.source.query<{ action: string }[]>(
      `SELECT action FROM audit_event WHERE subject = $1 AND action LIKE 'workload-%' ORDER BY at`,
      [`vendor:${own}`],
    );
    expect(actions.map(({ action }) => action)).toEqual(['workload-bound', 'workload-unbound']);
  });

  it('is refused when too wide, twice the same, or of an unknown issuer, and is never for others to make', async () => {
    const own = await admitVendor(registry);
    const good = { issuer: issuer.url, subject: PATTERN };
    expect(await ask({ ...good, subject: 'repo:acme/*' }, 'victor', own)).toEqual([422, 'workload/pattern-refused']);
    expect(await ask({ ...good, issuer: 'https://elsewhere.example' }, 'victor', own)).toEqual([
      422,
      'workload/issuer-not-admitted',
    ]);
    const twice = [
      { name: 'a', value: '1' },
      { name: 'a', value: '2' },
    ];
    expect(await ask({ ...good, claims: twice }, 'victor', own)).toEqual([422, 'workload/pattern-refused']);
    for (const body of [{}, { ...good, subject: 1 }, { ...good, claims: [{ name: 'a' }] }, { ...good, more: 1 }]) {
      expect(await ask(body, 'victor', own)).toEqual([422, 'http/invalid-body']);
    }
    expect(await ask(good, 'victor', own)).toEqual([201, undefined]);
    expect(await ask(good, 'victor', own)).toEqual([409, 'workload/already-bound']);
    await addMember(registry, own, 'vera', 'publisher');
    expect(await ask({ ...good, subject: 'x' }, 'vera', own)).toEqual([403, 'caller/forbidden']);
    expect(await ask({ ...good, subject: 'x' }, 'alice', own)).toEqual([403, 'caller/forbidden']);
    expect(await ask(good, 'victor', '01jx0000000000000000000000')).toEqual([404, 'vendor/not-found']);
  });

  it('is ended by owners, security contacts and governance, by id and once', async () => {
    const own = await admitVendor(registry);
    await addMember(registry, own, 'vera', 'security');
    for (const account of ['victor', 'vera', 'alice']) {
      const { id } = await bind(own);
      const other = await admitVendor(registry);
      const end = async (of: string, who: string) => {
        const { status, body } = await call(registry, 'delete', `${bindings(of)}/${id}`, who);
        return [status, body.code as string | undefined];
      };
      expect(await end(other, 'victor')).toEqual([404, 'workload/no-such-binding']);
      expect(await end(own, account)).toEqual([204, undefined]);
      expect(await end(own, account)).toEqual([404, 'workload/no-such-binding']);
    }
  });

  it('is one of a hundred', async () => {
    const own = await admitVendor(registry);
    await registry.source.query(
      `INSERT INTO workload_binding (id, vendor_id, issuer, subject, claims, created_at, log_index, entry_id)
       SELECT $1 || n, $1, 'https://ci.example', 'x' || n, '{}', now(), 0, $1 || n FROM generate_series(1, 100) n`,
      [own],
    );
    expect(await ask({ issuer: issuer.url, subject: PATTERN }, 'victor', own)).toEqual([409, 'workload/too-many']);
  });

  it('only ends: nothing else of it can be changed, not even by SQL', async () => {
    const { id } = await bind(vendor, { subject: 'repo:acme/kept:ref:refs/heads/main' });
    const change = (sql: string) => registry.source.query(sql, [id]);
    await expect(change(`UPDATE workload_binding SET subject = 'x' WHERE id = $1`)).rejects.toThrow('only ends');
    await expect(change('DELETE FROM workload_binding WHERE id = $1')).rejects.toThrow('append-only');
  });
});

describe('an issuer', () => {
  let server: Server;
  let answer: (url: string) => { status?: number; body: string; location?: string };
  let own: TestRegistry;
  let url: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const { status = 200, body, location } = answer(request.url ?? '');
      response.writeHead(status, { 'content-type': 'application/json', ...(location && { location }) }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    own = await startTestRegistry({ env: { WORKLOAD_ISSUERS: url } });
  });
  afterAll(async () => {
    await own?.close();
    server?.closeAllConnections();
    server?.close();
  });

  it('that does not answer as itself is a 503, tried again at the next question', async () => {
    const { publicKey, privateKey } = await generateKeyPair('ES256');
    const jwks = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] });
    const token = await new SignJWT({ iss: url, sub: 'x', aud: own.url, jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey);
    const key = makeKey();
    const ask = async () => {
      const response = await fetch(`${own.url}/api/v2/signingCert`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          credentials: { oidcIdentityToken: token },
          publicKeyRequest: {
            publicKey: { content: publicPem(key) },
            proofOfPossession: createSign('sha256').update('x').sign(key, 'base64'),
          },
        }),
      });
      return ((await response.json()) as { code: string }).code;
    };
    const described = (change: object = {}) => JSON.stringify({ issuer: url, jwks_uri: `${url}/keys`, ...change });
    for (const wrong of [
      { body: '', status: 500 },
      { body: 'no json' },
      { body: '', status: 302, location: `${url}/elsewhere` },
      { body: described({ issuer: 'https://elsewhere.example' }) },
      { body: described({ jwks_uri: undefined }) },
      { body: described({ jwks_uri: 'file:///etc/passwd' }) },
      { body: JSON.stringify({ issuer: url, padding: 'x'.repeat(300_000) }) },
    ]) {
      answer = () => wrong;
      expect(await ask(), JSON.stringify(wrong).slice(0, 100)).toBe('workload/issuer-unreachable');
    }
    answer = (path) => (path === '/keys' ? { body: '', status: 500 } : { body: described() });
    expect(await ask()).toBe('workload/issuer-unreachable');
    answer = (path) => ({ body: path === '/keys' ? jwks : described() });
    expect(await ask()).toBe('workload/not-bound');
  });
});

it('a certificate of a build is refused by the log once its key is revoked, and is on no CRL, for it names none', async () => {
  const own = await admitVendor(registry);
  await bind(own);
  const key = makeKey();
  const { chain } = await exchange({ token: await tokenFor({}, uriOf(own)), key });
  const { serialHex, spki } = parse(chain[0]);
  const target = { key: Buffer.from(sha256(spki)).toString('hex') };
  const revoked = await call(registry, 'post', '/api/v1/revocations', 'alice', { target, reason: 'keyCompromise' });
  expect(revoked.status, revoked.text).toBe(201);
  const logged = await fetch(`${registry.url}/api/v2/log/entries`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: requestHashedRekord(key, chain.join('')),
  });
  expect(((await logged.json()) as { code: string }).code).toBe('registration/certificate-revoked');

  const listed = await registry.app.get(Db).transaction((tx) => registry.app.get(RevocationReader).listed(tx));
  expect(listed.map(({ serial }) => serial)).not.toContain(serialHex);
  const plain = await issueTo(registry, own);
  await call(registry, 'post', `/api/v1/certificates/${plain.serial}/revocation`, 'victor', {
    reason: 'keyCompromise',
  });
  const again = await registry.app.get(Db).transaction((tx) => registry.app.get(RevocationReader).listed(tx));
  expect(again.map(({ serial }) => serial)).toContain(plain.serial);
});

it('tells Sigstore’s tools whose tokens it takes, and what its certificates lead to', async () => {
  const configuration = (await call(registry, 'get', '/api/v2/configuration')).body as object;
  expect(configuration).toMatchObject({
    issuers: [{ issuerUrl: issuer.url, audience: registry.url, challengeClaim: 'sub' }, {}],
  });
  const bundle = (await call(registry, 'get', '/api/v2/trustBundle')).body as { chains: { certificates: string[] }[] };
  const root = (await registry.app.get(CertificateReader).authorities()).find(({ role }) => role === 'root');
  expect(parse(bundle.chains[0]?.certificates[1]).fingerprint).toBe(root?.certificate.fingerprint);
});

// The last one: the sessions of the people in the tests above end with that day.
it('a build signs what the log admits for a day, and nothing after it', async () => {
  const key = makeKey();
  const { chain } = await exchange({ token: await tokenFor(), key });
  const log = () =>
    fetch(`${registry.url}/api/v2/log/entries`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: requestHashedRekord(key, chain.join('')),
    });
  expect((await log()).status).toBe(201);
  clock.moveTo(new Date(clock.now().getTime() + 86_400_000));
  const late = await log();
  expect([late.status, ((await late.json()) as { code: string }).code]).toEqual([400, 'x509/expired']);
});

/** A token of the issuer's shape that it has not signed. */
async function forge(header: { alg: string; kid: string; jku?: string }): Promise<string> {
  const iat = Math.floor(clock.now().getTime() / 1_000);
  const claims = { iss: issuer.url, sub: SUBJECT, aud: registry.url, iat, exp: iat + 300, jti: randomUUID() };
  const key = header.alg === 'HS256' ? new Uint8Array(32) : (await generateKeyPair('ES256')).privateKey;
  return new SignJWT(claims).setProtectedHeader(header).sign(key);
}

async function payloadOf(entryId: string): Promise<Record<string, string>> {
  const { body } = await call(registry, 'get', `/api/v1/log/entries/${entryId}`);
  const { payload } = parseStatement(parseBase64((body as { statement: string }).statement));
  return JSON.parse(Buffer.from(payload).toString()) as Record<string, string>;
}
