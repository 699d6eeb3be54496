/** A registry with one of everything, for input that no well-behaved client sends, and what is sent to it. */
import { join } from 'node:path';
import { describeRegistrationPolicy, FOUNDING_POLICY } from '@margo-trust/policy';
import { parseStatement } from '@margo-trust/statement';
import { makeOwnCa, validNow } from '@margo-trust/testkit';
import type { Anchor, Vendor } from '@margo-trust/wire';
import { encodePem } from '@margo-trust/x509';
import { expect } from 'vitest';
import { generateKey, writeKey } from '../apps/registry/src/keys/development-keys.ts';
import { UpdateIndexMap } from '../apps/registry/src/log/search/update-index-map.ts';
import { requestHashedRekord, signSomeArtifact } from './artifact.ts';
import type { Operation } from './hostile-json.ts';
import { makeOpenpgpKey } from './openpgp.ts';
import { addAuthority, admitVendor, call as callApi, issueTo, makeCsr, makeRoot } from './pki.ts';
import { type Answer, type Call, seededRandom, send, sendMeasured } from './probe.ts';
import { startTestRegistry, type TestRegistry } from './registry.ts';

/** What the document leaves out: SCRAPI, the log's files, and what operators and their machines ask. */
export const UNDOCUMENTED = [
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
export const BODIES: Record<string, Record<string, unknown>> = {
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

export const JSON_TYPE = { 'content-type': 'application/json' };
export const COSE = { 'content-type': 'application/cose' };
export const TSQ = { 'content-type': 'application/timestamp-query' };
export const FULCIO = { method: 'POST', path: '/api/v2/signingCert', headers: { 'content-type': 'application/json' } };
export const REKOR = { method: 'POST', path: '/api/v2/log/entries', headers: { 'content-type': 'application/json' } };

/** What there is to ask for. */
export interface Things {
  readonly bearers: { readonly governance: string; readonly vendor: string };
  /** An active vendor with a certificate, and another that has only applied. */
  readonly vendor: string;
  readonly applicant: string;
  readonly serial: string;
  /** What somebody else has proposed: a policy, and the change of a key. */
  readonly proposal: string;
  readonly logProposal: string;
  /** One that can take over, and one that can retire. */
  readonly authorities: { readonly standby: string; readonly retiring: string };
  readonly anchor: string;
  readonly subscription: string;
  /** In the log, as is what the request says. */
  readonly statement: Uint8Array;
  readonly rekorRequest: string;
}

export class HostileWorld {
  private log: unknown;

  private constructor(
    readonly registry: TestRegistry,
    readonly things: Things,
  ) {}

  static async start(): Promise<HostileWorld> {
    const registry = await startTestRegistry();
    const world = new HostileWorld(registry, await furnish(registry));
    await world.settle();
    return world;
  }

  close(): Promise<void> {
    return this.registry.close();
  }

  /** What the log holds now is what it must hold from now on. */
  async settle(): Promise<void> {
    this.log = await this.readLog();
  }

  /** After each test: the service has found no fault with itself, and the log is as it was. */
  async expectUnharmed(): Promise<void> {
    const errors = this.registry.logged.splice(0).filter(({ level }) => Number(level) >= 50);
    expect(errors.map(({ msg }) => msg)).toEqual([]);
    expect(await this.readLog(), 'the log is as it was').toEqual(this.log);
  }

  ask(call: Call): Promise<Answer> {
    return send(this.registry, call);
  }

  /** What the log promises, and how much there is behind it. */
  private async readLog(): Promise<unknown> {
    return [
      (await callApi(this.registry, 'get', '/api/v1/log')).body as unknown,
      await this.registry.source.query(
        `SELECT (SELECT count(*) FROM log_entry) AS entries, (SELECT count(*) FROM statement) AS statements,
           (SELECT count(*) FROM certificate_chain) AS chains, (SELECT count(*) FROM log_seal) AS seals`,
      ),
    ];
  }

  fill(path: string, segment?: string): string {
    const id = segment ?? this.idFor(path);
    const name = this.things.authorities[path.endsWith('/retirement') ? 'retiring' : 'standby'];
    return path
      .replace('{id}', id)
      .replace('{serial}', segment ?? this.things.serial)
      .replace('{binding}', segment !== undefined && segment.length < 4_000 ? segment : '0'.repeat(26))
      .replace('{fingerprint}', segment !== undefined && segment.length < 4_000 ? segment : '0'.repeat(40))
      .replace('{name}', segment ?? name);
  }

  /** A call as somebody who may make it. */
  callOf({ method, path, body }: Operation, segment?: string): Call {
    const isGovernance =
      /approvals|blocked-keys|suspension|subscription|policy|restriction|erasure|revocations|authorities|anchors\/proposals|\/logs\//.test(
        path,
      );
    return {
      method,
      // The subscription that there is must stay.
      path: this.fill(
        path,
        method === 'DELETE' && path.includes('/subscriptions/') ? (segment ?? '0'.repeat(26)) : segment,
      ),
      headers: {
        authorization: isGovernance ? this.things.bearers.governance : this.things.bearers.vendor,
        ...(body && JSON_TYPE),
      },
      ...(body && { body: JSON.stringify(BODIES[body]) }),
    };
  }

  /** Sends one after the other, and lists what is wrong with the answers. */
  async flaws(
    calls: Iterable<[string, Call]>,
    judge: (call: Call, answer: Answer) => string | undefined,
  ): Promise<string[]> {
    const found: string[] = [];
    for (const [name, call] of calls) {
      const { answer, flaw: cost } = await sendMeasured(this.registry, call);
      for (const flaw of [judge(call, answer), cost]) {
        if (flaw !== undefined) found.push(`${call.method} ${call.path.slice(0, 100)}, ${name}: ${flaw}`);
      }
    }
    return found;
  }

  /** `count` seeded calls, sixteen at a time. */
  async manyTimes(
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
        const flaw = judge(call, await this.ask(call));
        if (flaw !== undefined) found.push(`${Buffer.from(call.body ?? '').toString('base64')}: ${flaw}`);
      }
    };
    await Promise.all(Array.from({ length: 16 }, worker));
    expect(found).toEqual([]);
  }

  undocumentedCalls(): Call[] {
    return UNDOCUMENTED.map((route) => {
      const [method = '', path = ''] = route.split(' ');
      return { method, path: path.replace(/:\w+/, 'x').replace('*path', '0/000'), headers: {} };
    });
  }

  /** Of the thing that this path is about, in the state that it takes. */
  private idFor(path: string): string {
    if (path.startsWith('/api/v1/anchors')) return this.things.anchor;
    if (path.startsWith('/api/v1/log/policy')) return this.things.proposal;
    if (path.startsWith('/api/v1/logs')) return this.things.logProposal;
    if (path.startsWith('/api/v1/log/subscriptions')) return this.things.subscription;
    if (/restriction|erasure/.test(path)) return parseStatement(this.things.statement).entryId;
    if (path.startsWith('/api/v1/log')) return '0';
    return path.endsWith('/approvals') ? this.things.applicant : this.things.vendor;
  }
}

async function furnish(registry: TestRegistry): Promise<Things> {
  const bearers = { governance: await registry.bearer('alice'), vendor: await registry.bearer('victor') };
  const vendor = await admitVendor(registry);
  const application = { ...BODIES['VendorApplication'], legalName: 'Applicant GmbH', claims: claimsOf('applicant') };
  const applicant = ((await callApi(registry, 'post', '/api/v1/vendors', 'vera', application)).body as { id: string })
    .id;
  const proposed = await callApi(registry, 'post', '/api/v1/log/policy', 'bob', BODIES['PolicyProposalRequest']);
  const proposal = (proposed.body as { id: string }).id;
  const authorities = {
    standby: await addAuthority(registry, 'standby'),
    retiring: await addAuthority(registry, 'retiring'),
  };
  writeKey(join(registry.config.keysDirectory, 'log-sct.next.pem'), generateKey('P-256'));
  const change = await callApi(registry, 'post', '/api/v1/logs/proposals', 'bob', BODIES['LogChangeRequest']);
  const logProposal = (change.body as { id: string }).id;
  const { pem, key } = makeCsr();
  const issued = await issueTo(registry, vendor, pem);
  const serial = issued.serial;
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
  const anchor = (brought.body as Anchor).id;

  const statement = signSomeArtifact(`https://${vendor}.vendors.registry.localhost/`, key, issued.chain);
  const registered = await send(registry, { method: 'POST', path: '/entries', headers: COSE, body: statement });
  expect(registered.status).toBe(201);
  const rekorRequest = requestHashedRekord(key, issued.chain);
  expect((await send(registry, { ...REKOR, body: rekorRequest })).status).toBe(201);
  const wanted = BODIES['LogSubscriptionRequest'];
  const subscribed = await callApi(registry, 'post', '/api/v1/log/subscriptions', 'alice', wanted);
  const subscription = (subscribed.body as { id: string }).id;
  // A complete answer needs the index of a worker, which no test registry has.
  await registry.app.get(UpdateIndexMap).run();
  return {
    ...{ bearers, vendor, applicant, serial, proposal, logProposal, authorities, anchor, subscription },
    ...{ statement, rekorRequest },
  };
}

function claimsOf(name: string) {
  return { applicationIdPrefixes: [`${name}-`], ociNamespaces: [`registry.example/${name}`] };
}
