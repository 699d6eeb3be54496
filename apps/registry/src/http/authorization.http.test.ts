import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeTimestampRequest } from '@margo-trust/timestamp';
import { makeOwnCa, validNow } from '@margo-trust/testkit';
import type { MemberRole, PolicyState, VendorSubject } from '@margo-trust/wire';
import { encodePem, OID } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestHashedRekord, signSomeArtifact } from '../../../../test/artifact.ts';
import { startTestIssuer, type TestIssuer } from '../../../../test/issuer.ts';
import { addAuthority, addMember, makeCsr, makeRoot } from '../../../../test/pki.ts';
import { makeOpenpgpKey } from '../../../../test/openpgp.ts';
import { type Answer, codeOf, routesOf, send } from '../../../../test/probe.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { generateKey, writeKey } from '../keys/development-keys.ts';
import { UpdateIndexMap } from '../log/search/update-index-map.ts';

/** Roles in the vendor that a call is about. */
const MEMBERS = ['owner', 'publisher', 'security', 'auditor'] as const satisfies readonly MemberRole[];
/** A governance member who owns the vendor as well. */
const IN_BOTH = 'governance and owner';
const GOVERNANCE = ['governance', IN_BOTH] as const;
/** Every role there is in another vendor: no right of one vendor is one in another. */
const FOREIGNERS = MEMBERS.map((role) => `${role} of another vendor` as const);
const SIGNED_IN = [...MEMBERS, ...GOVERNANCE, 'stranger', ...FOREIGNERS] as const;
const UNUSABLE = ['garbage', 'expired owner', 'expired governance', 'owner elsewhere', 'governance elsewhere'] as const;
const CALLERS = ['nobody', ...SIGNED_IN, ...UNUSABLE] as const;
type Who = (typeof CALLERS)[number];
/** Needed to get vendors admitted. */
type Helper = 'second governance';

/** A token that is sent must be good, also where none is needed. */
const ANYONE: readonly Who[] = ['nobody', ...SIGNED_IN];

/** Whom each route lets in. Everybody else gets 401 without a good token, 403 with one. */
const ALLOWED: Record<string, readonly Who[]> = {
  'GET /api/v1/me': SIGNED_IN,
  'POST /api/v1/vendors': SIGNED_IN,
  'GET /api/v1/vendors': ANYONE,
  'GET /api/v1/vendors/:id': ANYONE,
  'POST /api/v1/vendors/:id/approvals': ['governance'],
  'POST /api/v1/vendors/:id/suspension': GOVERNANCE,
  'DELETE /api/v1/vendors/:id/suspension': ['governance'],
  'POST /api/v1/vendors/:id/certificates': ['owner', 'publisher', IN_BOTH],
  'GET /api/v1/vendors/:id/certificates': ANYONE,
  'POST /api/v1/vendors/:id/workload-bindings': ['owner', IN_BOTH],
  'GET /api/v1/vendors/:id/workload-bindings': ANYONE,
  'DELETE /api/v1/vendors/:id/workload-bindings/:binding': ['owner', 'security', ...GOVERNANCE],
  'POST /api/v1/vendors/:id/anchors': ['owner', ...GOVERNANCE],
  'POST /api/v1/vendors/:id/anchors/preview': ['owner', ...GOVERNANCE],
  'GET /api/v1/vendors/:id/anchors': ANYONE,
  'GET /api/v1/anchors': ANYONE,
  'GET /api/v1/anchors/proposals': GOVERNANCE,
  'GET /api/v1/anchors/:id': ANYONE,
  'POST /api/v1/anchors/:id/approvals': ['governance'],
  'POST /api/v1/anchors/:id/withdrawal': ['owner', 'security', ...GOVERNANCE],
  'POST /api/v1/vendors/:id/openpgp-keys': ['owner', IN_BOTH],
  'GET /api/v1/vendors/:id/openpgp-keys': ANYONE,
  'DELETE /api/v1/vendors/:id/openpgp-keys/:fingerprint': ['owner', 'security', ...GOVERNANCE],
  'GET /api/v1/blocked-keys': GOVERNANCE,
  'GET /api/v1/certificates/:serial': ANYONE,
  'POST /api/v1/certificates/:serial/revocation': ['owner', 'publisher', 'security', ...GOVERNANCE],
  'GET /api/v1/revocations': ANYONE,
  'POST /api/v1/revocations': ['owner', 'publisher', 'security', ...GOVERNANCE],
  'POST /api/v1/revocations/preview': ['owner', 'publisher', 'security', ...GOVERNANCE],
  'GET /api/v1/authorities': ANYONE,
  'GET /api/v1/authorities/:name': ANYONE,
  'POST /api/v1/authorities': GOVERNANCE,
  'POST /api/v1/authorities/:name/activation': GOVERNANCE,
  'POST /api/v1/authorities/:name/retirement': GOVERNANCE,
  'GET /api/v1/log': ANYONE,
  'GET /api/v1/log/complete': ANYONE,
  'GET /api/v1/log/entries': ANYONE,
  'GET /api/v1/log/entries/:id': ANYONE,
  'POST /api/v1/log/entries/:id/restriction': ['owner', ...GOVERNANCE],
  'DELETE /api/v1/log/entries/:id/restriction': GOVERNANCE,
  'POST /api/v1/log/entries/:id/erasure': GOVERNANCE,
  'GET /api/v1/log/follow': ANYONE,
  'GET /api/v1/log/subscriptions': SIGNED_IN,
  'POST /api/v1/log/subscriptions': [...MEMBERS, IN_BOTH],
  'GET /api/v1/log/subscriptions/:id/deliveries': [...MEMBERS, IN_BOTH],
  'POST /api/v1/log/subscriptions/:id/redelivery': [...MEMBERS, IN_BOTH],
  'DELETE /api/v1/log/subscriptions/:id': [...MEMBERS, IN_BOTH],
  'GET /api/v1/log/policy': ANYONE,
  'POST /api/v1/log/policy': GOVERNANCE,
  'GET /api/v1/log/policy/proposals': GOVERNANCE,
  'POST /api/v1/log/policy/proposals/:id/approvals': GOVERNANCE,
  'GET /api/v1/logs': ANYONE,
  'POST /api/v1/logs/preview': GOVERNANCE,
  'GET /api/v1/logs/proposals': GOVERNANCE,
  'POST /api/v1/logs/proposals': GOVERNANCE,
  'POST /api/v1/logs/proposals/:id/approvals': GOVERNANCE,
  'POST /api/v2/log/entries': ANYONE, // the signature is the credential
  'POST /api/v2/signingCert': CALLERS, // a token of another kind is the credential, and the one that is sent is not looked at
  'GET /api/v2/trustBundle': ANYONE,
  'GET /api/v2/configuration': ANYONE,
  'POST /tsa': ANYONE,
  'POST /api/v1/timestamp': ANYONE,
  'GET /api/v1/timestamp/certchain': ANYONE,
  'POST /entries': ANYONE, // the signature is the credential
  'GET /entries/:entryId': ANYONE,
  'GET /entries/:entryId/statement': ANYONE,
  'GET /entries/:entryId/transparent-statement': ANYONE,
  'GET /entries/:entryId/proof': ANYONE,
  'GET /.well-known/scitt-keys': ANYONE,
  'GET /.well-known/scitt-keys/:kid': ANYONE,
  'GET /.well-known/oauth-protected-resource': ANYONE,
  'GET /.well-known/security.txt': ANYONE,
  'GET /log/checkpoint': ANYONE,
  'GET /log/checkpoint.cose': ANYONE,
  'GET /log/consistency': ANYONE,
  'GET /log/log.json': ANYONE,
  'GET /log/evidence/*path': ANYONE,
  'GET /log/seals': ANYONE,
  'GET /log/tile/*path': ANYONE,
  'GET /livez': ANYONE,
  'GET /readyz': ANYONE,
  'GET /metrics': ANYONE,
  'GET /openapi.json': CALLERS, // a file: nobody looks at the token
};

interface Prepared {
  path?: string;
  mediaType?: string;
  body?: string | Uint8Array;
}

describe('who may call what', () => {
  let registry: TestRegistry;
  let issuer: TestIssuer;
  let vendor: Vendor;
  let foreignVendor: string;
  const tokens = new Map<Who | Helper, string>();

  interface Vendor {
    id: string;
    serial: string;
    entryId: string;
    kid: string;
    statement: Uint8Array;
    rekorRequest: string;
    key: KeyObject;
    chain: string;
  }

  beforeAll(async () => {
    issuer = await startTestIssuer();
    const env = {
      OIDC_ISSUER: issuer.url,
      WORKLOAD_ISSUERS: issuer.url,
      GOVERNANCE_MEMBERS: 'governance,both,second',
    };
    registry = await startTestRegistry({ env });
    const token = (subject: string, change = {}) => issuer.token(subject, registry.url, change);
    const elsewhere = { aud: 'https://elsewhere.example' };
    const past = { exp: Math.floor(Date.now() / 1_000) - 3_600 };
    for (const name of [...MEMBERS, 'governance', 'stranger'] as const) tokens.set(name, await token(name));
    tokens.set(IN_BOTH, await token('both'));
    for (const name of FOREIGNERS) tokens.set(name, await token(name));
    tokens.set('second governance', await token('second'));
    tokens.set('garbage', 'garbage');
    tokens.set('expired owner', await token('owner', past));
    tokens.set('expired governance', await token('governance', past));
    tokens.set('owner elsewhere', await token('owner', elsewhere));
    tokens.set('governance elsewhere', await token('governance', elsewhere));

    foreignVendor = await admitForeigner();
    const id = await admit(await apply());
    const { pem, key } = makeCsr();
    const { serial, chain } = await certify(id, pem);
    const statement = signSomeArtifact(uriOf(id), key, chain);
    const registered = await ask('nobody', 'POST', '/entries', { mediaType: 'application/cose', body: statement });
    const { receiptKeys } = json(await ask('nobody', 'GET', '/log/log.json')) as { receiptKeys: { kid: string }[] };
    const entryId = String(registered.headers['location']).slice('/entries/'.length);
    const rekorRequest = requestHashedRekord(key, chain);
    vendor = { id, serial, entryId, kid: receiptKeys[0]?.kid ?? '', statement, rekorRequest, key, chain };
  });
  afterAll(async () => {
    await registry?.close();
    issuer?.close();
  });

  function ask(who: Who | Helper, method: string, path: string, { mediaType, body }: Prepared = {}): Promise<Answer> {
    const token = tokens.get(who);
    const headers = {
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
      ...(mediaType !== undefined && { 'content-type': mediaType }),
    };
    return send(registry, { method, path, headers, ...(body !== undefined && { body }) });
  }

  /** Does as `who`, who must succeed. */
  async function must(who: Who | Helper, method: string, path: string, body: object): Promise<Record<string, string>> {
    const answer = await ask(who, method, path, asJson(body));
    if (answer.status !== 201) throw new Error(`${method} ${path}: ${answer.bytes.toString()}`);
    return json(answer) as Record<string, string>;
  }

  /** A vendor that has applied, with one member of each role. */
  async function apply(): Promise<string> {
    const { id = '' } = await must('owner', 'POST', '/api/v1/vendors', application());
    for (const role of MEMBERS) if (role !== 'owner') await addMember(registry, id, role, role);
    await addMember(registry, id, 'both', 'owner');
    return id;
  }

  async function admit(id: string): Promise<string> {
    await must('governance', 'POST', `/api/v1/vendors/${id}/approvals`, { note: 'Checked.' });
    await must('second governance', 'POST', `/api/v1/vendors/${id}/approvals`, { note: 'Checked.' });
    return id;
  }

  /** The vendor whose owner is a stranger to all others. */
  async function admitForeigner(): Promise<string> {
    const { id = '' } = await must('owner of another vendor', 'POST', '/api/v1/vendors', application());
    for (const role of MEMBERS) {
      if (role !== 'owner') await addMember(registry, id, `${role} of another vendor`, role);
    }
    return admit(id);
  }

  async function certify(id: string, csr = makeCsr().pem): Promise<{ serial: string; chain: string }> {
    const { serial = '', chain = '' } = await must('owner', 'POST', `/api/v1/vendors/${id}/certificates`, { csr });
    return { serial, chain };
  }

  /** A statement of the vendor that is in the log; its EntryID. */
  async function publish(): Promise<string> {
    const body = signSomeArtifact(uriOf(vendor.id), vendor.key, vendor.chain);
    const answer = await ask('nobody', 'POST', '/entries', { mediaType: 'application/cose', body });
    return String(answer.headers['location']).slice('/entries/'.length);
  }

  async function nextPolicyBody(): Promise<object> {
    const { current } = json(await ask('nobody', 'GET', '/api/v1/log/policy')) as PolicyState;
    return { policy: { ...current.policy, version: current.policy.version + 1 }, reason: 'Test.' };
  }

  const nextKey = () => asJson(nextKeyBody());

  /** With a new key waiting to follow. */
  function nextKeyBody(): object {
    const { keysDirectory } = registry.config;
    writeKey(join(keysDirectory, 'log-sct.next.pem'), generateKey('P-256'));
    return { action: 'rotate-key', purpose: 'sct', reason: 'Test.' };
  }

  const nextPolicy = async () => asJson(await nextPolicyBody());

  /** A subscription of the vendor, and the only one, since an organisation may have so many only. */
  async function subscribe(): Promise<string> {
    await registry.source.query('DELETE FROM log_subscription');
    const request = { organisation: vendor.id, url: 'https://hooks.example/' };
    const { id = '' } = await must('owner', 'POST', '/api/v1/log/subscriptions', request);
    return `/api/v1/log/subscriptions/${id}`;
  }

  /** A binding of the vendor, and the only one. */
  async function bind(subject: string): Promise<string> {
    await registry.source.query(
      `UPDATE workload_binding SET removed_at = now(), removal_entry_id = id WHERE removed_at IS NULL`,
    );
    const request = { issuer: issuer.url, subject };
    const { id = '' } = await must('owner', 'POST', `/api/v1/vendors/${vendor.id}/workload-bindings`, request);
    return id;
  }

  /** An OpenPGP key of the vendor, and the only one. */
  async function registerOpenpgpKey(): Promise<string> {
    await registry.source.query(
      `UPDATE openpgp_key SET key = NULL, withdrawn_at = now(), withdrawal_entry_id = fingerprint WHERE withdrawn_at IS NULL`,
    );
    const { fingerprint = '' } = await must('owner', 'POST', `/api/v1/vendors/${vendor.id}/openpgp-keys`, {
      key: await makeOpenpgpKey(),
    });
    return fingerprint;
  }

  /** Another CA of the vendor's own. */
  async function anchorRequest(): Promise<object> {
    const { subject } = json(await ask('nobody', 'GET', `/api/v1/vendors/${vendor.id}`)) as { subject: VendorSubject };
    const { certificate } = makeOwnCa({
      purposes: [OID.timeStamping],
      subject: { country: subject.C, state: subject.ST, organization: subject.O },
      ...validNow(),
    });
    return {
      certificate: encodePem('CERTIFICATE', certificate.der),
      ...{ purpose: 'timestamping', subject: { O: subject.O }, reason: 'Test.' },
    };
  }

  /** A proposal of the vendor's, and the only one, since a vendor may have so many only. */
  async function proposeAnchor(): Promise<string> {
    await registry.source.query(
      'UPDATE anchor SET withdrawn_at = now() WHERE withdrawn_at IS NULL AND registered_at IS NULL',
    );
    const { id = '' } = await must('owner', 'POST', `/api/v1/vendors/${vendor.id}/anchors`, await anchorRequest());
    return `/api/v1/anchors/${id}`;
  }

  let registeredAnchor: string | undefined;
  async function registerAnchor(): Promise<string> {
    if (registeredAnchor !== undefined) return registeredAnchor;
    const path = await proposeAnchor();
    await must('governance', 'POST', `${path}/approvals`, { note: 'Checked.' });
    await must('second governance', 'POST', `${path}/approvals`, { note: 'Checked.' });
    return (registeredAnchor = path);
  }

  /** A build's own token, and a key that it has. */
  async function buildRequest(): Promise<object> {
    await bind('build');
    const oidcIdentityToken = await issuer.token('build', registry.url, { jti: makeCsr().pem });
    return {
      credentials: { oidcIdentityToken },
      certificateSigningRequest: Buffer.from(makeCsr().pem).toString('base64'),
    };
  }

  /** What a route needs to succeed for those it lets in: a vendor or certificate in the right state, and a body. */
  const PREPARE: Record<string, () => Promise<Prepared> | Prepared> = {
    'POST /api/v1/vendors': () => asJson(application()),
    'POST /api/v1/vendors/:id/anchors': async () => {
      await proposeAnchor();
      return asJson(await anchorRequest());
    },
    'POST /api/v1/vendors/:id/anchors/preview': async () => asJson(await anchorRequest()),
    'GET /api/v1/anchors/:id': async () => ({ path: await registerAnchor() }),
    'POST /api/v1/anchors/:id/approvals': async () => ({
      path: `${await proposeAnchor()}/approvals`,
      ...asJson({ note: 'Checked.' }),
    }),
    'POST /api/v1/anchors/:id/withdrawal': async () => ({
      path: `${await proposeAnchor()}/withdrawal`,
      ...asJson({ reason: 'Test.' }),
    }),
    'POST /api/v1/log/subscriptions': async () => {
      await registry.source.query('DELETE FROM log_subscription');
      return asJson({ organisation: vendor.id, url: 'https://hooks.example/' });
    },
    'GET /api/v1/log/subscriptions/:id/deliveries': async () => ({ path: `${await subscribe()}/deliveries` }),
    'POST /api/v1/log/subscriptions/:id/redelivery': async () => ({
      path: `${await subscribe()}/redelivery`,
      ...asJson({ from: '0' }),
    }),
    'DELETE /api/v1/log/subscriptions/:id': async () => ({ path: await subscribe() }),
    'POST /api/v1/vendors/:id/approvals': async () => ({
      path: `/api/v1/vendors/${await apply()}/approvals`,
      ...asJson({ note: 'Checked.' }),
    }),
    'POST /api/v1/vendors/:id/suspension': async () => ({
      path: `/api/v1/vendors/${await admit(await apply())}/suspension`,
      ...asJson({ reason: 'Test.' }),
    }),
    'DELETE /api/v1/vendors/:id/suspension': async () => {
      const path = `/api/v1/vendors/${await admit(await apply())}/suspension`;
      await must('governance', 'POST', path, { reason: 'Test.' });
      return { path };
    },
    'POST /api/v1/vendors/:id/workload-bindings': async () => {
      await bind('build');
      return asJson({ issuer: issuer.url, subject: 'another build' });
    },
    'DELETE /api/v1/vendors/:id/workload-bindings/:binding': async () => ({
      path: `/api/v1/vendors/${vendor.id}/workload-bindings/${await bind('build')}`,
    }),
    'POST /api/v1/vendors/:id/openpgp-keys': async () => {
      await registerOpenpgpKey();
      return asJson({ key: await makeOpenpgpKey() });
    },
    'DELETE /api/v1/vendors/:id/openpgp-keys/:fingerprint': async () => ({
      path: `/api/v1/vendors/${vendor.id}/openpgp-keys/${await registerOpenpgpKey()}`,
    }),
    'POST /api/v2/signingCert': async () => asJson(await buildRequest()),
    'POST /api/v1/vendors/:id/certificates': () => asJson({ csr: makeCsr().pem }),
    'POST /api/v1/certificates/:serial/revocation': async () => ({
      path: `/api/v1/certificates/${(await certify(vendor.id)).serial}/revocation`,
      ...asJson({ reason: 'superseded' }),
    }),
    'POST /api/v1/revocations': async () =>
      asJson({ target: { serials: [(await certify(vendor.id)).serial] }, reason: 'superseded' }),
    'POST /api/v1/revocations/preview': () => asJson({ target: { serials: [vendor.serial] }, reason: 'keyCompromise' }),
    'POST /api/v1/authorities': () => asJson({ certificate: makeRoot(), role: 'root' }),
    'POST /api/v1/authorities/:name/activation': async () => ({
      path: `/api/v1/authorities/${await addAuthority(registry, 'standby')}/activation`,
      ...asJson({ note: 'Test.' }),
    }),
    'POST /api/v1/authorities/:name/retirement': async () => ({
      path: `/api/v1/authorities/${await addAuthority(registry, 'retiring')}/retirement`,
      ...asJson({ note: 'Test.' }),
    }),
    'POST /api/v1/log/entries/:id/restriction': async () => ({
      path: `/api/v1/log/entries/${await publish()}/restriction`,
      ...asJson({ reason: 'Test.' }),
    }),
    'DELETE /api/v1/log/entries/:id/restriction': async () => {
      const path = `/api/v1/log/entries/${await publish()}/restriction`;
      await must('governance', 'POST', path, { reason: 'Test.' });
      return { path };
    },
    'POST /api/v1/log/entries/:id/erasure': async () => ({
      path: `/api/v1/log/entries/${await publish()}/erasure`,
      ...asJson({ reason: 'Test.' }),
    }),
    'GET /api/v1/log/complete': async () => {
      await registry.app.get(UpdateIndexMap).run();
      return { path: `/api/v1/log/complete?vendor=${vendor.id}` };
    },
    'POST /api/v1/log/policy': nextPolicy,
    'POST /api/v1/log/policy/proposals/:id/approvals': async () => {
      const proposal = await must('second governance', 'POST', '/api/v1/log/policy', await nextPolicyBody());
      return { path: `/api/v1/log/policy/proposals/${proposal['id']}/approvals`, ...asJson({ note: 'Checked.' }) };
    },
    'POST /api/v1/logs/preview': nextKey,
    'POST /api/v1/logs/proposals': nextKey,
    'POST /api/v1/logs/proposals/:id/approvals': async () => {
      const proposal = await must('second governance', 'POST', '/api/v1/logs/proposals', nextKeyBody());
      return { path: `/api/v1/logs/proposals/${proposal['id']}/approvals`, ...asJson({ note: 'Checked.' }) };
    },
    'POST /entries': () => ({ mediaType: 'application/cose', body: vendor.statement }),
    'POST /api/v2/log/entries': () => ({ mediaType: 'application/json', body: vendor.rekorRequest }),
    'POST /api/v1/timestamp': () => ({
      mediaType: 'application/json',
      body: JSON.stringify({ artifactHash: Buffer.alloc(32).toString('base64'), hashAlgorithm: 'sha256' }),
    }),
    'POST /tsa': () => ({
      mediaType: 'application/timestamp-query',
      body: encodeTimestampRequest({ hash: 'SHA-256', imprint: new Uint8Array(32), certReq: true }),
    }),
  };

  const fill = (path: string) =>
    path
      .replace('/log/entries/:id', '/log/entries/0')
      .replace(':id', vendor.id)
      .replace(':serial', vendor.serial)
      .replace(':fingerprint', '0'.repeat(40))
      .replace(':name', 'root')
      .replace(':entryId', vendor.entryId)
      .replace(':kid', vendor.kid)
      .replace('/log/consistency', '/log/consistency?from=1')
      .replace('evidence/*path', 'evidence/000.p/1')
      .replace('*path', 'entries/000.p/1');

  /** Whether anything was decided, certified or logged. */
  const traces = () =>
    registry.source.query<unknown[]>(
      `SELECT (SELECT count(*) FROM audit_event) AS events, (SELECT count(*) FROM log_entry) AS entries,
         (SELECT count(*) FROM vendor) AS vendors, (SELECT count(*) FROM anchor) AS anchors,
         (SELECT count(*) FROM workload_binding) AS bindings, (SELECT count(*) FROM certificate) AS certificates,
         (SELECT count(*) FROM openpgp_key) AS keys`,
    );

  it('is said here for every route there is', () => {
    expect(Object.keys(ALLOWED).sort()).toEqual(routesOf(registry).sort());
    const { paths } = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as {
      paths: Record<string, Record<string, { security?: unknown }>>;
    };
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { security }] of Object.entries(methods)) {
        const route = `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`;
        expect(ALLOWED).toHaveProperty([route]);
        expect(ALLOWED[route]?.includes('nobody'), `${route} says in the document whether it wants a token`).toBe(
          !security,
        );
      }
    }
  });

  it.each(Object.entries(ALLOWED))('%s', async (route, allowed) => {
    const [method = '', pattern = ''] = route.split(' ');
    const found: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const who of CALLERS) {
      const prepared = (await PREPARE[route]?.()) ?? {};
      const path = prepared.path ?? fill(pattern);
      const before = await traces();
      const answer = await ask(who, method, path, prepared);
      // A stranger's subscription is not there.
      const isHidden = answer.status === 404 && codeOf(path, answer) === 'subscription/not-found';
      const isRefusal = answer.status === 401 || answer.status === 403 || isHidden;
      found[who] = isRefusal
        ? `${answer.status} ${codeOf(path, answer)}`
        : answer.status < 300
          ? 'in'
          : answer.bytes.toString();
      expected[who] = allowed.includes(who) ? 'in' : refusalOf(who, route);
      if (isRefusal) expect(await traces(), `${who} leaves no trace`).toEqual(before);
    }
    expect(found).toEqual(expected);
  });

  it('shows contacts and approvals to members and governance only', async () => {
    const sees = async (path: string, pick: (body: never) => object) => {
      const insiders: Who[] = [];
      for (const who of ANYONE) {
        const shown = pick(json(await ask(who, 'GET', path)) as never);
        if ('securityContact' in shown || 'approvals' in shown) insiders.push(who);
      }
      return insiders;
    };
    expect(await sees(`/api/v1/vendors/${vendor.id}`, (body) => body)).toEqual([...MEMBERS, ...GOVERNANCE]);
    const ofVendor = ({ items }: { items: { id: string }[] }) => items.find(({ id }) => id === vendor.id) ?? {};
    expect(await sees('/api/v1/vendors?limit=100', ofVendor)).toEqual([...MEMBERS, ...GOVERNANCE]);
  });

  it('takes no role from another vendor along', async () => {
    const asked = await ask(
      'owner',
      'POST',
      `/api/v1/vendors/${foreignVendor}/certificates`,
      asJson({ csr: makeCsr().pem }),
    );
    expect([asked.status, codeOf('', asked)]).toEqual([403, 'caller/forbidden']);
  });
});

/** Without a good token one is not known; with one, the route's own reason. */
function refusalOf(who: Who, route: string): string {
  if (who === 'nobody') return '401 caller/unauthenticated';
  if ((UNUSABLE as readonly Who[]).includes(who)) return '401 caller/invalid-token';
  if (route.includes('/subscriptions/:id')) return '404 subscription/not-found';
  const isOwnCase = who === IN_BOTH && /approvals|DELETE/.test(route);
  if (isOwnCase && route.includes('/anchors/')) return '403 anchor/own-organisation';
  return isOwnCase ? '403 vendor/own-organisation' : '403 caller/forbidden';
}

let applications = 0;

function application(): object {
  applications += 1;
  return {
    legalName: `Vendor ${applications} GmbH`,
    country: 'DE',
    state: 'Hessen',
    personas: ['workload-supplier'],
    securityContact: 'psirt@example.com',
    claims: { applicationIdPrefixes: [`v${applications}-`], ociNamespaces: [`registry.example/v${applications}`] },
  };
}

const uriOf = (id: string) => `https://${id}.vendors.registry.localhost/`;
const asJson = (body: object): Prepared => ({ mediaType: 'application/json', body: JSON.stringify(body) });
const json = ({ bytes }: Answer): unknown => JSON.parse(bytes.toString());
