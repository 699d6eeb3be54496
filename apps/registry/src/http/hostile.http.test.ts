import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { encodeTimestampRequest, parseTimestampResponse, TimestampFault } from '@margo-trust/timestamp';
import { describeRegistrationPolicy, FOUNDING_POLICY } from '@margo-trust/policy';
import { parseStatement } from '@margo-trust/statement';
import { makeOwnCa, validNow } from '@margo-trust/testkit';
import type { Anchor, Vendor } from '@margo-trust/wire';
import { encodePem, parsePem } from '@margo-trust/x509';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { requestHashedRekord, signSomeArtifact } from '../../../../test/artifact.ts';
import {
  BAD_HEADERS,
  BAD_JSON,
  BAD_SEGMENTS,
  BAD_TILES,
  BAD_VALUES,
  deepCbor,
  deepDer,
} from '../../../../test/hostile-input.ts';
import { addAuthority, admitVendor, call as callApi, issueTo, makeCsr, makeRoot } from '../../../../test/pki.ts';
import { makeOpenpgpKey } from '../../../../test/openpgp.ts';
import {
  type Answer,
  type Call,
  flawOfAnswer,
  flawOfRefusal,
  mutate,
  routesOf,
  seededRandom,
  send,
  sendMeasured,
} from '../../../../test/probe.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { generateKey, writeKey } from '../keys/development-keys.ts';
import { UpdateIndexMap } from '../log/search/update-index-map.ts';

/** Calls with random damage. `FUZZ=1000000` for a long run, `FUZZ_SEED` for another one. */
const RUNS = Number(process.env['FUZZ'] ?? 3_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);

interface Operation {
  method: string;
  /** As in the document: `/api/v1/vendors/{id}`. */
  path: string;
  query: string[];
  /** Name of the class of the JSON body. */
  body: string | undefined;
}

const document = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as OpenApi;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, { parameters = [], requestBody }]): Operation => ({
    method: method.toUpperCase(),
    path,
    query: parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name),
    body: requestBody?.content['application/json']?.schema.$ref?.split('/').at(-1),
  })),
);
const jsonOperations = operations.filter(({ body }) => body !== undefined);

/** What the document leaves out: SCRAPI, the log's files, and what operators and their machines ask. */
const UNDOCUMENTED = [
  'POST /entries',
  'GET /entries/:entryId',
  'GET /entries/:entryId/statement',
  'GET /entries/:entryId/transparent-statement',
  'GET /entries/:entryId/proof',
  'GET /.well-known/scitt-keys',
  'GET /.well-known/scitt-keys/:kid',
  'POST /api/v2/log/entries',
  'POST /api/v2/signingCert',
  'GET /api/v2/trustBundle',
  'GET /api/v2/configuration',
  'GET /log/checkpoint',
  'GET /log/checkpoint.cose',
  'GET /log/consistency',
  'GET /log/log.json',
  'GET /log/evidence/*path',
  'GET /log/seals',
  'GET /log/tile/*path',
  'GET /openapi.json',
  'GET /livez',
  'GET /readyz',
  'GET /metrics',
  'GET /.well-known/oauth-protected-resource',
  'GET /.well-known/security.txt',
];

const ANCHOR = makeOwnCa(validNow());

/** One body of each class that is accepted as it stands. Unharmed, they are sent last. */
const BODIES: Record<string, Record<string, unknown>> = {
  VendorApplication: {
    legalName: 'Hostile GmbH',
    country: 'DE',
    state: 'Hessen',
    personas: ['workload-supplier'],
    securityContact: 'psirt@example.com',
    claims: { applicationIdPrefixes: ['hostile-'], ociNamespaces: ['registry.example/hostile'] },
    website: 'https://example.com',
  },
  AnchorRequest: {
    certificate: encodePem('CERTIFICATE', ANCHOR.certificate.der),
    purpose: 'artifact-signing',
    claims: undefined,
    subject: undefined,
    validFrom: undefined,
    validUntil: undefined,
    reason: 'Ours.',
  },
  ApprovalRequest: { note: 'Checked.' },
  LogSubscriptionRequest: {
    organisation: 'margo',
    url: 'https://hooks.example/',
    vendor: '01jd0000000000000000000000',
    application: 'hostile',
    digest: `sha256:${'0'.repeat(64)}`,
    certificate: '0'.repeat(64),
  },
  RedeliveryRequest: { from: '0' },
  AuthorityAnnouncement: { certificate: makeRoot(), role: 'root' },
  CertificateRequest: { csr: makeCsr().pem, commonName: 'Hostile' },
  WorkloadBindingRequest: {
    issuer: undefined,
    subject: 'repo:hostile/app:ref:refs/heads/main',
    claims: [{ name: 'repository_id', value: '42' }],
  },
  OpenpgpKeyRequest: { key: undefined },
  RevocationRequest: { reason: 'superseded', invalidityDate: undefined },
  RevocationOrder: {
    target: { digest: `sha256:${'0'.repeat(64)}` },
    reason: 'superseded',
    invalidityDate: undefined,
    narrow: false,
  },
  SuspensionRequest: { reason: 'Enough.' },
  WithholdingRequest: { reason: 'Hostile.' },
  LogChangeRequest: { action: 'rotate-key', purpose: 'sct', reason: 'Hostile.' },
  PolicyProposalRequest: {
    policy: { ...describeRegistrationPolicy(FOUNDING_POLICY), version: 2 },
    reason: 'Hostile.',
  },
};

describe('hostile input over HTTP', () => {
  let registry: TestRegistry;
  let bearers: { governance: string; vendor: string };
  /** An active vendor with a certificate, another that has only applied, and a statement that is in the log. */
  let vendor: string;
  let applicant: string;
  /** A policy that somebody else has proposed. */
  let proposal: string;
  let logProposal: string;
  let serial: string;
  /** One that can take over, and one that can retire. */
  let authorities: { standby: string; retiring: string };
  let anchor: string;
  let subscription: string;
  let statement: Uint8Array;
  let rekorRequest: string;
  let log: unknown;

  beforeAll(async () => {
    registry = await startTestRegistry();
    bearers = { governance: await registry.bearer('alice'), vendor: await registry.bearer('victor') };
    vendor = await admitVendor(registry);
    const application = { ...BODIES['VendorApplication'], legalName: 'Applicant GmbH', claims: claimsOf('applicant') };
    applicant = ((await callApi(registry, 'post', '/api/v1/vendors', 'vera', application)).body as { id: string }).id;
    const proposed = await callApi(registry, 'post', '/api/v1/log/policy', 'bob', BODIES['PolicyProposalRequest']);
    proposal = (proposed.body as { id: string }).id;
    authorities = {
      standby: await addAuthority(registry, 'standby'),
      retiring: await addAuthority(registry, 'retiring'),
    };
    writeKey(join(registry.config.keysDirectory, 'log-sct.next.pem'), generateKey('P-256'));
    const change = await callApi(registry, 'post', '/api/v1/logs/proposals', 'bob', BODIES['LogChangeRequest']);
    logProposal = (change.body as { id: string }).id;
    const { pem, key } = makeCsr();
    const issued = await issueTo(registry, vendor, pem);
    serial = issued.serial;
    for (const name of ['RevocationRequest', 'RevocationOrder']) {
      BODIES[name]!['invalidityDate'] = new Date().toISOString().replace(/\.\d+/, '');
    }

    BODIES['WorkloadBindingRequest']!['issuer'] = registry.config.oidcIssuer;
    BODIES['OpenpgpKeyRequest']!['key'] = await makeOpenpgpKey();
    const { subject, claims } = (await callApi(registry, 'get', `/api/v1/vendors/${vendor}`)).body as Vendor;
    const second = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString().replace(/\.\d+/, '');
    Object.assign(BODIES['AnchorRequest']!, { subject, claims, validFrom: second(0), validUntil: second(1) });
    const anchorPath = `/api/v1/vendors/${vendor}/anchors`;
    const brought = await callApi(registry, 'post', anchorPath, 'victor', BODIES['AnchorRequest']);
    expect(brought.status, brought.text).toBe(201);
    anchor = (brought.body as Anchor).id;

    statement = signSomeArtifact(`https://${vendor}.vendors.registry.localhost/`, key, issued.chain);
    const registered = await ask({ method: 'POST', path: '/entries', headers: COSE, body: statement });
    expect(registered.status).toBe(201);
    rekorRequest = requestHashedRekord(key, issued.chain);
    expect((await ask({ ...REKOR, body: rekorRequest })).status).toBe(201);
    const wanted = BODIES['LogSubscriptionRequest'];
    const subscribed = await callApi(registry, 'post', '/api/v1/log/subscriptions', 'alice', wanted);
    subscription = (subscribed.body as { id: string }).id;
    // A complete answer needs the index of a worker, which no test registry has.
    await registry.app.get(UpdateIndexMap).run();
    log = await readLog();
  });
  afterAll(() => registry?.close());

  afterEach(async () => {
    const errors = registry.logged.splice(0).filter(({ level }) => Number(level) >= 50);
    expect(errors.map(({ msg }) => msg)).toEqual([]);
    expect(await readLog(), 'the log is as it was').toEqual(log);
  });

  const ask = (call: Call) => send(registry, call);
  /** What the log promises, and how much there is behind it. */
  const readLog = async () => [
    (await callApi(registry, 'get', '/api/v1/log')).body as unknown,
    await registry.source.query(
      `SELECT (SELECT count(*) FROM log_entry) AS entries, (SELECT count(*) FROM statement) AS statements,
         (SELECT count(*) FROM certificate_chain) AS chains, (SELECT count(*) FROM log_seal) AS seals`,
    ),
  ];

  /** Of the thing that this path is about, in the state that it takes. */
  function idFor(path: string): string {
    if (path.startsWith('/api/v1/anchors')) return anchor;
    if (path.startsWith('/api/v1/log/policy')) return proposal;
    if (path.startsWith('/api/v1/logs')) return logProposal;
    if (path.startsWith('/api/v1/log/subscriptions')) return subscription;
    if (/restriction|erasure/.test(path)) return parseStatement(statement).entryId;
    if (path.startsWith('/api/v1/log')) return '0';
    return path.endsWith('/approvals') ? applicant : vendor;
  }

  function fill(path: string, segment?: string): string {
    const id = segment ?? idFor(path);
    const name = authorities[path.endsWith('/retirement') ? 'retiring' : 'standby'];
    return path
      .replace('{id}', id)
      .replace('{serial}', segment ?? serial)
      .replace('{binding}', segment !== undefined && segment.length < 4_000 ? segment : '0'.repeat(26))
      .replace('{fingerprint}', segment !== undefined && segment.length < 4_000 ? segment : '0'.repeat(40))
      .replace('{name}', segment ?? name);
  }

  /** A call as somebody who may make it. */
  function callOf({ method, path, body }: Operation, segment?: string): Call {
    const isGovernance =
      /approvals|blocked-keys|suspension|subscription|policy|restriction|erasure|revocations|authorities|anchors\/proposals|\/logs\//.test(
        path,
      );
    return {
      method,
      // The subscription that there is must stay.
      path: fill(path, method === 'DELETE' && path.includes('/subscriptions/') ? (segment ?? '0'.repeat(26)) : segment),
      headers: { authorization: isGovernance ? bearers.governance : bearers.vendor, ...(body && JSON_TYPE) },
      ...(body && { body: JSON.stringify(BODIES[body]) }),
    };
  }

  /** Sends one after the other, and lists what is wrong with the answers. */
  async function flaws(
    calls: Iterable<[string, Call]>,
    judge: (call: Call, answer: Answer) => string | undefined,
  ): Promise<string[]> {
    const found: string[] = [];
    for (const [name, call] of calls) {
      const { answer, flaw: cost } = await sendMeasured(registry, call);
      for (const flaw of [judge(call, answer), cost]) {
        if (flaw !== undefined) found.push(`${call.method} ${call.path.slice(0, 100)}, ${name}: ${flaw}`);
      }
    }
    return found;
  }

  it('covers every route there is, and has a body for every class', () => {
    const documented = operations.map(({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`);
    expect(routesOf(registry).sort()).toEqual([...documented, ...UNDOCUMENTED].sort());
    expect(Object.keys(BODIES).sort()).toEqual([...new Set(jsonOperations.map(({ body }) => body))].sort());
  });

  it.each(jsonOperations)('$method $path refuses whatever is not its JSON', async (operation) => {
    const call = callOf(operation);
    const valid = String(call.body);
    const calls: [string, Call][] = [
      ...Object.entries(BAD_JSON).map(([name, body]): [string, Call] => [name, { ...call, body }]),
      ...[0.1, 0.5, 0.9].map((part): [string, Call] => [
        `cut at ${part}`,
        { ...call, body: valid.slice(0, valid.length * part) },
      ]),
      ['an unknown member', { ...call, body: valid.replace('{', '{"unknown":1,') }],
      ...['', 'text/plain', 'application/cose', 'application/x-www-form-urlencoded', 'application/json/x', ';'].map(
        (type): [string, Call] => [`as ${type}`, { ...call, headers: { ...call.headers, 'content-type': type } }],
      ),
      ['with a coding', { ...call, headers: { ...call.headers, 'content-encoding': 'gzip' } }],
    ];
    expect(await flaws(calls, flawOfRefusal)).toEqual([]);
  });

  it.each(jsonOperations)('$method $path refuses a wrong value of every member', async (operation) => {
    const call = callOf(operation);
    const calls = [...spoilt(operation.body ?? '', BODIES[operation.body ?? ''] ?? {})];
    expect(calls.length).toBeGreaterThan(5);
    expect(
      await flaws(
        calls.map(([name, body]) => [name, { ...call, body }]),
        flawOfRefusal,
      ),
    ).toEqual([]);
  });

  it('refuses hostile parameters of paths', async () => {
    const calls = operations
      .filter(({ path }) => path.includes('{'))
      .flatMap((operation) =>
        BAD_SEGMENTS.map((segment): [string, Call] => ['bad segment', callOf(operation, segment)]),
      );
    expect(await flaws(calls, flawOfRefusal)).toEqual([]);
  });

  it('answers every hostile path that is nobody’s with a problem', async () => {
    const prefixes = ['/', '/api/', '/api/v1/', '/entries/', '/.well-known/scitt-keys/', '/.well-known/'];
    const files = ['/tuf/', '/tuf/targets/', '/crl/', '/crl/issuing-1/', '/ca/', '/log/', '/log/tile/'];
    const paths = [
      ...[...prefixes, ...files].flatMap((prefix) => BAD_SEGMENTS.map((segment) => prefix + segment)),
      ...BAD_SEGMENTS.flatMap((segment) => [
        `/entries/${segment}/statement`,
        `/entries/${segment}/transparent-statement`,
        `/entries/${segment}/proof`,
      ]),
      ...BAD_TILES.map((tile) => `/log/${tile}`),
    ];
    const calls = paths.map((path): [string, Call] => ['path', { method: 'GET', path }]);
    expect(await flaws(calls, flawOfRefusal)).toEqual([]);
  });

  it('survives hostile queries', async () => {
    const calls = operations.flatMap(({ method, path, query }) =>
      query.flatMap((name) => [
        ...BAD_VALUES.flatMap((value): [string, Call][] => [
          [name, { method, path: `${fill(path)}?${name}=${value}` }],
          [name, { method, path: `${fill(path)}?${name}[]=${value}` }],
          [name, { method, path: `${fill(path)}?${name}=1&${name}=${value}` }],
        ]),
        ['__proto__', { method, path: `${fill(path)}?__proto__[${name}]=1&constructor=1` }] as [string, Call],
        ['many', { method, path: `${fill(path)}?${`${name}=1&`.repeat(700)}` }] as [string, Call],
      ]),
    );
    expect(await flaws(calls, flawOfAnswer)).toEqual([]);
  });

  it('survives hostile headers on every route', async () => {
    const calls = [...operations.map((operation) => callOf(operation)), ...undocumentedCalls()].flatMap((call) =>
      BAD_HEADERS.map((headers): [string, Call] => [
        Object.keys(headers).join(),
        // Without its body, so that nothing is accepted where the header does no harm.
        { method: call.method, path: call.path, headers: { ...call.headers, ...headers } },
      ]),
    );
    expect(await flaws(calls, judgeByMethod)).toEqual([]);
  });

  it('refuses every other method', async () => {
    const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'SEARCH', 'PURGE'];
    const known = new Set(operations.map(({ method, path }) => `${method} ${fill(path)}`));
    for (const { method, path } of undocumentedCalls()) known.add(`${method} ${path}`);
    const paths = [...new Set([...known].map((route) => route.slice(route.indexOf(' ') + 1)))];
    const calls = paths.flatMap((path) =>
      methods
        .filter((method) => !known.has(`${method} ${path}`))
        .map((method): [string, Call] => ['', { method, path }]),
    );
    expect(await flaws(calls, flawOfRefusal)).toEqual([]);
    const gentle = paths.flatMap((path) => ['HEAD', 'OPTIONS'].map((method): [string, Call] => ['', { method, path }]));
    expect(await flaws(gentle, flawOfAnswer)).toEqual([]);
  });

  it('refuses whatever is not COSE at /entries, in CBOR', async () => {
    const bodies: Record<string, string | Buffer> = {
      ...BAD_JSON,
      '30,000 arrays of CBOR': deepCbor(30_000),
      'a million arrays of CBOR': deepCbor(1_000_000),
      'an array of 2^32 items': Buffer.from('d29affffffff', 'hex'),
      'an array of 2^64 items': Buffer.from('d29bffffffffffffffff', 'hex'),
      'text of 2^63 bytes': Buffer.from('d2847b7fffffffffffffff', 'hex'),
      'an indefinite array': Buffer.from('d29fff', 'hex'),
      'a COSE_Sign1 of nothing': Buffer.from('d28440a0f640', 'hex'),
      'a COSE_Sign1 of a deep header': Buffer.concat([
        Buffer.from('d28459', 'hex'),
        Buffer.from([0x75, 0x31]),
        deepCbor(30_000),
        Buffer.from('a04040', 'hex'),
      ]),
      'a map of a million zeros': Buffer.concat([Buffer.from('ba000f4240', 'hex'), Buffer.alloc(1_000_000)]),
      'one byte too many': Buffer.alloc(1_048_577, 0xd2),
      'half a statement': Buffer.from(statement.subarray(0, statement.length / 2)),
      'a statement and a byte': Buffer.concat([statement, Buffer.from([0])]),
    };
    const call = { method: 'POST', path: '/entries', headers: COSE };
    const calls = Object.entries(bodies).map(([name, body]): [string, Call] => [name, { ...call, body }]);
    for (const type of ['', 'application/json', 'application/cbor', 'multipart/form-data'])
      calls.push([`as ${type}`, { ...call, headers: { 'content-type': type }, body: statement }]);
    expect(await flaws(calls, flawOfRefusal)).toEqual([]);
  });

  it('refuses whatever is not a request to Rekor, and makes no new entry of any damaged one', async () => {
    const calls = Object.entries(BAD_JSON).map(([name, body]): [string, Call] => [name, { ...REKOR, body }]);
    calls.push(['one byte too many', { ...REKOR, body: Buffer.alloc(1_048_577, 0x20) }]);
    calls.push(['as text', { ...REKOR, headers: { 'content-type': 'text/plain' }, body: rekorRequest }]);
    expect(await flaws(calls, flawOfRefusal)).toEqual([]);
    const bytes = Buffer.from(rekorRequest);
    await manyTimes(
      1_000,
      (below) => ({ ...REKOR, body: mutate(bytes, below) }),
      // Damage to what nobody reads leaves the same entry: that there is no other one is looked at after every test.
      (call, answer) => (answer.status === 201 ? undefined : flawOfRefusal(call, answer)),
    );
  });

  it('gives no certificate for whatever is not a request of a build, or is a damaged one', async () => {
    const calls = Object.entries(BAD_JSON).map(([name, body]): [string, Call] => [name, { ...FULCIO, body }]);
    calls.push(['one byte too many', { ...FULCIO, body: Buffer.alloc(65_537, 0x20) }]);
    const token = bearers.vendor.slice('Bearer '.length);
    const certificateSigningRequest = Buffer.from(makeCsr().pem).toString('base64');
    const valid = JSON.stringify({ credentials: { oidcIdentityToken: token }, certificateSigningRequest });
    calls.push(['as text', { ...FULCIO, headers: { 'content-type': 'text/plain' }, body: valid }]);
    for (const credential of ['', 'x', '..', 'e30.e30.e30', `${token}x`, token.replaceAll('.', '..'), 'é.é.é', '\0']) {
      const body = JSON.stringify({ credentials: { oidcIdentityToken: credential }, certificateSigningRequest });
      calls.push([`with the token ${credential.slice(0, 20)}`, { ...FULCIO, body }]);
    }
    for (const authorization of ['Bearer', 'Bearer ', 'Basic eDp4', `Bearer ${token} ${token}`, `bearer ${token}`]) {
      const body = JSON.stringify({ certificateSigningRequest });
      calls.push([authorization.slice(0, 20), { ...FULCIO, headers: { ...FULCIO.headers, authorization }, body }]);
    }
    expect(await flaws(calls, flawOfRefusal)).toEqual([]);
    await manyTimes(500, (below) => ({ ...FULCIO, body: mutate(Buffer.from(valid), below) }), flawOfRefusal);
  });

  it('refuses or rejects whatever is not a query at /tsa', async () => {
    const call = { method: 'POST', path: '/tsa', headers: TSQ };
    const bodies: Record<string, string | Buffer> = {
      ...BAD_JSON,
      'a deep SEQUENCE': deepDer(4_096),
      'an indefinite SEQUENCE': Buffer.from('3080'.repeat(2_000), 'hex'),
      'a length of 2^32': Buffer.from('3084ffffffff', 'hex'),
      'one byte too many': Buffer.alloc(4_097, 0x30),
    };
    const calls = Object.entries(bodies).map(([name, body]): [string, Call] => [name, { ...call, body }]);
    expect(await flaws(calls, judgeTimestamp)).toEqual([]);
    for (const [name, wrong] of calls) expect(isGranted(await ask(wrong)), name).toBe(false);
    const typed = [
      ...['', 'application/json'].map((type) => ({ ...call, headers: { 'content-type': type }, body: 'x' })),
    ];
    expect(
      await flaws(
        typed.map((wrong) => ['type', wrong]),
        flawOfRefusal,
      ),
    ).toEqual([]);
  });

  it('refuses whatever is not a certification request', async () => {
    const operation = jsonOperations.find(({ body }) => body === 'CertificateRequest')!;
    const ders = {
      nothing: Buffer.alloc(0),
      'an empty SEQUENCE': Buffer.from([0x30, 0]),
      'a deep SEQUENCE': deepDer(14_000),
      'an indefinite SEQUENCE': Buffer.from('3080'.repeat(7_000), 'hex'),
      'a length of 2^32': Buffer.from('3084ffffffff', 'hex'),
      'random bytes': randomBytes(1_000),
    };
    const calls = Object.entries(ders).map(([name, der]): [string, Call] => [
      name,
      { ...callOf(operation), body: JSON.stringify({ csr: encodePem('CERTIFICATE REQUEST', der) }) },
    ]);
    expect(await flaws(calls, flawOfRefusal)).toEqual([]);
  });

  it('makes no new entry of any damaged statement', async () => {
    const original = (await ask({ method: 'POST', path: '/entries', headers: COSE, body: statement })).headers[
      'location'
    ];
    await manyTimes(
      2_000,
      (below) => ({ method: 'POST', path: '/entries', headers: COSE, body: mutate(statement, below) }),
      (call, answer) =>
        // Damage to what the signature does not cover, such as a certificate we know anyway, leaves the same statement.
        answer.status === 201 && answer.headers['location'] === original ? undefined : flawOfRefusal(call, answer),
    );
  });

  it('certifies no damaged request', async () => {
    const operation = jsonOperations.find(({ body }) => body === 'CertificateRequest')!;
    const [der = new Uint8Array()] = parsePem('CERTIFICATE REQUEST', String(BODIES['CertificateRequest']?.['csr']));
    const call = callOf(operation);
    await manyTimes(
      1_000,
      (below) => ({ ...call, body: JSON.stringify({ csr: encodePem('CERTIFICATE REQUEST', mutate(der, below)) }) }),
      flawOfRefusal,
    );
  });

  it("refuses or rejects whatever is not a query at Sigstore's path", async () => {
    const call = { method: 'POST', path: '/api/v1/timestamp', headers: { 'content-type': 'application/json' } };
    const calls = Object.entries(BAD_JSON).map(([name, body]): [string, Call] => [name, { ...call, body }]);
    expect(await flaws(calls, flawOfRefusal)).toEqual([]);
    const valid = JSON.stringify({
      ...{ artifactHash: randomBytes(32).toString('base64'), hashAlgorithm: 'sha256', certificates: true, nonce: 7 },
    });
    await manyTimes(500, (below) => ({ ...call, body: mutate(Buffer.from(valid), below) }), flawOfAnswer);
  });

  it('stamps or rejects any damaged query', async () => {
    const query = encodeTimestampRequest({ hash: 'SHA-256', imprint: randomBytes(32), nonce: 7n, certReq: true });
    const call = { method: 'POST', path: '/tsa', headers: TSQ };
    expect(isGranted(await ask({ ...call, body: query }))).toBe(true);
    await manyTimes(1_000, (below) => ({ ...call, body: mutate(query, below) }), judgeTimestamp);
  });

  it('survives any damaged JSON', async () => {
    const operation = jsonOperations.find(({ body }) => body === 'VendorApplication')!;
    const call = callOf(operation);
    await manyTimes(1_000, (below) => ({ ...call, body: mutate(Buffer.from(String(call.body)), below) }), flawOfAnswer);
  });

  it('takes all of it unharmed', async () => {
    const applied = operations.filter(({ body, path }) => body !== undefined && !isTakenBack(path));
    const takenBack = operations.filter(({ path }) => isTakenBack(path));
    for (const operation of [...applied, ...takenBack]) {
      const answer = await ask(callOf(operation));
      const isDecided = operation.method === 'POST' && !operation.path.endsWith('/preview');
      expect([operation.path, answer.status]).toEqual([operation.path, isDecided ? 201 : 200]);
    }
    log = await readLog();
  });

  it('goes on when callers hang up in the middle, or do not speak HTTP', async () => {
    const { hostname, port } = new URL(registry.url);
    const beginnings = [
      ...[...operations.map((operation) => callOf(operation)), { method: 'POST', path: '/entries', headers: COSE }].map(
        ({ method, path, headers = {} }) =>
          `${method} ${path} HTTP/1.1\r\nHost: x\r\n${lines(headers)}Content-Length: 100\r\n\r\n{"a`,
      ),
      `POST /entries HTTP/1.1\r\nHost: x\r\n${lines(COSE)}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n`,
      `POST /entries HTTP/1.1\r\nHost: x\r\n${lines(COSE)}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n`,
      `GET /${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      'GET / HTTP/9.9\r\n\r\n',
      'GET http://evil.example/entries/x HTTP/1.1\r\nHost: x\r\n\r\n',
      'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
      'CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
      '\r\n\r\n\r\n\0\0\0\0',
    ];
    for (const beginning of beginnings) {
      const answer = await new Promise<string>((resolve) => {
        let text = '';
        const socket = connect(Number(port), hostname, () => socket.write(beginning, 'latin1'));
        setTimeout(() => socket.destroy(), 50);
        socket.on('data', (data) => (text += data.toString('latin1')));
        socket.on('error', () => undefined).on('close', () => resolve(text));
      });
      expect(answer, beginning.slice(0, 60)).not.toMatch(/^HTTP\/1\.1 5/);
    }
    expect((await ask({ method: 'GET', path: '/readyz' })).status).toBe(200);
  });

  it('keeps nothing of all this in memory', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = () => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return (heapUsed + external) / 1_048_576;
    };
    const storm = async () => {
      for (const body of [deepCbor(1_000_000), Buffer.alloc(1_048_577), mutate(statement, seededRandom(9))]) {
        await ask({ method: 'POST', path: '/entries', headers: COSE, body });
      }
      for (const body of [BAD_JSON['many members']!, BAD_JSON['one byte too many']!]) {
        await ask({ ...callOf(jsonOperations[0]!), body });
      }
      await ask({ method: 'GET', path: `/${randomBytes(2_000).toString('hex')}` });
      await ask({ method: 'GET', path: `/tuf/${randomBytes(2_000).toString('hex')}` });
    };
    for (let n = 0; n < 10; n += 1) await storm();
    const before = used();
    for (let n = 0; n < 40; n += 1) await storm();
    expect(used() - before).toBeLessThan(10);
  });

  it('survives random damage to calls of every route', { timeout: RUNS * 40 + 60_000 }, async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    const below = seededRandom(SEED);
    const routes: [Call, readonly string[]][] = [
      ...operations.map((operation): [Call, string[]] => [callOf(operation), operation.query]),
      ...undocumentedCalls().map((call): [Call, string[]] => [call, ['from', 'to', 'limit', 'since']]),
      ...publishedCalls().map((call): [Call, string[]] => [call, []]),
      [{ method: 'POST', path: '/entries', headers: COSE, body: statement }, []],
      [{ ...REKOR, body: rekorRequest }, []],
      [{ ...FULCIO, body: JSON.stringify({ certificateSigningRequest: 'eA==' }) }, []],
      [{ method: 'POST', path: '/tsa', headers: TSQ, body: timestampQuery() }, []],
    ];
    const found: string[] = [];
    for (let n = 0; n < RUNS && found.length < 20; n += 1) {
      const [call, query] = routes[n % routes.length]!;
      const harmed = damage(call, query, below);
      const { answer, flaw: cost } = await sendMeasured(registry, harmed);
      const isStamp = call.path === '/tsa' && answer.status === 200;
      const isNotOurs = answer.status === 431; // Node.js itself, for lines and headers of more than 16 kB
      for (const flaw of [isStamp || isNotOurs ? undefined : flawOfAnswer(harmed, answer), cost]) {
        if (flaw !== undefined) found.push(`${JSON.stringify(printable(harmed))}: ${flaw}`);
      }
    }
    process.off('unhandledRejection', note);
    expect(found).toEqual([]);
    expect(unhandled).toEqual([]);
    log = await readLog(); // damage to what nobody reads does no harm, and is taken
  });

  function damage(call: Call, query: readonly string[], below: (limit: number) => number): Call {
    const [path = '', search] = call.path.split('?');
    const pick = <T>(from: readonly T[]): T => from[below(from.length)]!;
    switch (below(6)) {
      case 0:
        return call.body === undefined ? call : { ...call, body: mutate(Buffer.from(call.body), below) };
      case 1: {
        const parts = path.split('/');
        parts[1 + below(parts.length - 1)] = pick([...BAD_SEGMENTS, ...BAD_TILES]);
        return { ...call, path: parts.join('/') };
      }
      case 2: {
        const name = query.length > 0 && below(3) > 0 ? pick(query) : pick(['__proto__', 'limit', 'x', '']);
        const again = `${path}?${search ?? ''}&${name}=${pick(BAD_VALUES)}`;
        return { ...call, path: below(2) === 0 ? again : `${again}&${name}=${pick(BAD_VALUES)}` };
      }
      case 3:
        return { ...call, headers: { ...call.headers, ...pick(BAD_HEADERS) } };
      case 4: {
        const { authorization, ...others } = call.headers ?? {};
        const bearer = pick([authorization ?? '', bearers.vendor, bearers.governance, `${bearers.vendor}x`, 'Bearer ']);
        return { ...call, headers: below(2) === 0 ? others : { ...others, authorization: bearer } };
      }
      default: {
        const damaged = mutate(Buffer.from(path), below).toString('latin1');
        return { ...call, path: `/${damaged.slice(1).replace(/[^\x21-\x7e]/g, encodeURIComponent)}` };
      }
    }
  }

  /** What the front door answers without the framework. */
  function publishedCalls(): Call[] {
    const paths = ['/', '/docs', '/tuf/timestamp.json', '/tuf/1.root.json', '/ca/root.crt', '/crl/issuing-1/0.crl'];
    return paths.map((path) => ({ method: 'GET', path }));
  }

  /** `count` seeded calls, sixteen at a time. */
  async function manyTimes(
    count: number,
    make: (below: (limit: number) => number) => Call,
    judge: (call: Call, answer: Answer) => string | undefined,
  ): Promise<void> {
    const below = seededRandom(count);
    const found: string[] = [];
    let left = count;
    const worker = async () => {
      while (left-- > 0) {
        const call = make(below);
        const flaw = judge(call, await ask(call));
        if (flaw !== undefined) found.push(`${Buffer.from(call.body ?? '').toString('base64')}: ${flaw}`);
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    expect(found).toEqual([]);
  }

  function undocumentedCalls(): Call[] {
    return UNDOCUMENTED.map((route) => {
      const [method = '', path = ''] = route.split(' ');
      return { method, path: path.replace(/:\w+/, 'x').replace('*path', '0/000'), headers: {} };
    });
  }
});

/** What is done by POST and undone by DELETE. */
function isTakenBack(path: string): boolean {
  return /\/(?:suspension|restriction)$/.test(path);
}

const JSON_TYPE = { 'content-type': 'application/json' };
const COSE = { 'content-type': 'application/cose' };
const TSQ = { 'content-type': 'application/timestamp-query' };
const FULCIO = { method: 'POST', path: '/api/v2/signingCert', headers: { 'content-type': 'application/json' } };
const REKOR = { method: 'POST', path: '/api/v2/log/entries', headers: { 'content-type': 'application/json' } };

/** Reads may succeed; whatever would change something must not, for want of a body. */
function judgeByMethod(call: Call, answer: Answer): string | undefined {
  return call.method === 'GET' ? flawOfAnswer(call, answer) : flawOfRefusal(call, answer);
}

/** A time-stamping authority answers 200 also when it rejects (RFC 3161 §3.4). */
function judgeTimestamp(call: Call, answer: Answer): string | undefined {
  if (answer.status !== 200) return flawOfRefusal(call, answer);
  return answer.headers['content-type'] === 'application/timestamp-reply' ? undefined : 'not a reply';
}

function timestampQuery(): Uint8Array {
  return encodeTimestampRequest({ hash: 'SHA-256', imprint: randomBytes(32), nonce: 7n, certReq: true });
}

/** For a failed test's output: enough to send it again. */
function printable({ method, path, headers: { authorization, ...headers } = {}, body }: Call): object {
  const call = { method, path, headers, isSignedIn: authorization !== undefined };
  return body === undefined ? call : { ...call, body: Buffer.from(body).toString('base64').slice(0, 2_000) };
}

function isGranted({ status, bytes }: Answer): boolean {
  if (status !== 200) return false;
  try {
    parseTimestampResponse(Uint8Array.from(bytes));
    return true;
  } catch (error) {
    if (error instanceof TimestampFault && error.code === 'timestamp/refused') return false;
    throw error;
  }
}

function claimsOf(name: string) {
  return { applicationIdPrefixes: [`${name}-`], ociNamespaces: [`registry.example/${name}`] };
}

function lines(headers: Record<string, string>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}

/** Copies of `body`, each with one member of the schema spoilt, as JSON text. */
function* spoilt(name: string, body: Record<string, unknown>): Iterable<[string, string]> {
  const { properties = {}, required = [] } = document.components.schemas[name] ?? {};
  for (const [member, schema] of Object.entries(properties)) {
    const { [member]: value, ...others } = body;
    if (required.includes(member)) yield [`without ${member}`, JSON.stringify(others)];
    for (const [what, wrong] of wrongValues(schema, value)) {
      yield [
        `${member} ${what}`,
        JSON.stringify(others)
          .replace('{', `{${JSON.stringify(member)}:${wrong},`)
          .replace(',}', '}'),
      ];
    }
    const inner = (schema.$ref ?? schema.allOf?.[0]?.$ref)?.split('/').at(-1);
    if (inner === undefined) continue;
    for (const [what, text] of spoilt(inner, value as Record<string, unknown>)) {
      yield [`${member}: ${what}`, JSON.stringify({ ...others, [member]: 0 }).replace(/0\}$/, `${text}}`)];
    }
  }
}

/** As JSON text, since not every one can be written by JSON.stringify. */
function wrongValues(schema: Schema, value: unknown): [string, string][] {
  const json = JSON.stringify;
  const always: [string, string][] = [
    'null',
    ...(schema.type === 'integer' ? [] : ['7']),
    '-1e400',
    ...(schema.type === 'boolean' ? [] : ['true']),
    '[[]]',
    '[{}]',
    '[null]',
    '[7]',
    '{"a":1}',
  ].map((text) => [`is ${text}`, text]);
  if (schema.type === 'array') {
    const many = Array.from({ length: 40_000 }, (_, i) => i.toString(36)); // just within 256 KiB
    return [
      ...always,
      ['is text', '"x"'],
      ['is too long', json(many)],
      ['is too long, and always the same', json(many.map(() => 'same'))],
      ['says a thing twice', json([(value as unknown[] | undefined)?.[0], (value as unknown[] | undefined)?.[0]])],
      ...badTexts(1_000_000).map(([what, text]): [string, string] => [`holds ${what}`, `[${text}]`]),
    ];
  }
  if (schema.type !== 'string') return [...always, ['is text', '"x"'], ['is empty', '{}']];
  return [...always, ['is a list', json([value])], ['is empty', '""'], ...badTexts(schema.maxLength ?? 300)];
}

function badTexts(maxLength: number): [string, string][] {
  return [
    ['NUL', '"a\\u0000b"'],
    ['half a surrogate pair', '"a\\ud800b"'],
    ['the other half', '"\\udc00"'],
    ['too long', JSON.stringify('a'.repeat(maxLength + 1))],
    ['a megabyte', JSON.stringify('a'.repeat(1_000_000))],
    ['a megabyte of dots', JSON.stringify(`a/${'a.'.repeat(500_000)}!`)],
    ['a megabyte of blanks', JSON.stringify(`a${' '.repeat(1_000_000)}\u0001`)],
  ];
}

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  type?: string;
  maxLength?: number;
  properties?: Record<string, Schema>;
  required?: string[];
}

interface OpenApi {
  paths: Record<string, Record<string, { parameters?: { in: string; name: string }[]; requestBody?: RequestBody }>>;
  components: { schemas: Record<string, Schema> };
}

interface RequestBody {
  content: Record<string, { schema: Schema }>;
}
