import { decodeCbor, type CborMap } from '@margo-trust/cbor';
import type { PolicyProposal, PolicyState } from '@margo-trust/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../test/pki.ts';
import { codeOf, send, type Answer } from '../../../../test/probe.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';

describe('rate limits over HTTP', () => {
  let registry: TestRegistry;
  let artifact: () => Uint8Array;

  beforeAll(async () => {
    // Refilled so slowly that no test can wait for it: what was granted is the burst.
    const env = { REGISTRATION_RATE: '1/40', SEARCH_RATE: '1/3', TRUSTED_PROXIES: '127.0.0.1' };
    registry = await startTestRegistry({ env });
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    artifact = () => signSomeArtifact(`https://${id}.vendors.registry.localhost/`, key, chain);
  });
  afterAll(() => registry?.close());

  const post = (body: string | Uint8Array, from: string, path = '/entries') =>
    send(registry, {
      method: 'POST',
      path,
      headers: { 'content-type': 'application/cose', 'x-forwarded-for': from },
      body,
    });
  const limitOf = ({ status, headers }: Answer) => ({
    status,
    retryAfter: Number(headers['retry-after']),
    policy: headers['ratelimit-policy'],
  });

  it('answers an address that posts too often with 429, in CBOR, before it reads the body', async () => {
    const from = '198.51.100.1';
    for (let n = 0; n < 40; n += 1) expect((await post('no statement', from)).status).toBe(400);
    const refused = await post('x'.repeat(500_000), from);
    expect(limitOf(refused)).toMatchObject({ status: 429, policy: '"address";q=40;w=40' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(refused.headers['content-type']).toBe('application/concise-problem-details+cbor');
    expect(codeOf('/entries', refused)).toBe('registration/rate-limited');
    expect((decodeCbor(Uint8Array.from(refused.bytes)) as CborMap).get(-1)).toBe('Too many registrations');
    for (const path of ['/entries/', '/%65ntries', '/tsa']) expect((await post('x', from, path)).status).toBe(429);
    const other = await post(artifact(), '198.51.100.2');
    expect(other.status, JSON.stringify(registry.logged)).toBe(201);
  });

  it('answers searches likewise, in JSON, and goes on serving files and people', async () => {
    const headers = { 'x-forwarded-for': '198.51.100.3' };
    const get = (path: string) => send(registry, { method: 'GET', path, headers });
    for (let n = 0; n < 3; n += 1) expect((await get('/api/v1/log/entries?limit=1')).status).toBe(200);
    const refused = await get('/api/v1/log/entries?limit=1');
    expect(limitOf(refused)).toMatchObject({ status: 429, policy: '"address";q=3;w=3' });
    expect(codeOf('/api/v1/log/entries', refused)).toBe('http/rate-limited');
    expect((await get('/log/checkpoint')).status).toBe(200);
    expect((await get('/api/v1/vendors')).status).toBe(200);
  });

  it('holds a vendor to the rate of the policy, once its signature holds', async () => {
    const { current } = (await call(registry, 'get', '/api/v1/log/policy')).body as PolicyState;
    const policy = { ...current.policy, version: 2, vendorRate: { perSecond: 1, burst: 3 } };
    const proposed = await call(registry, 'post', '/api/v1/log/policy', 'alice', { policy, reason: 'Test.' });
    const { id } = proposed.body as PolicyProposal;
    await call(registry, 'post', `/api/v1/log/policy/proposals/${id}/approvals`, 'bob', { note: 'Checked.' });

    const statements = Array.from({ length: 12 }, artifact);
    const answers = await Promise.all(statements.map((body, n) => post(body, `203.0.113.${n}`)));
    const refused = answers.find(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 201).length).toBeGreaterThanOrEqual(3);
    expect(limitOf(refused!)).toMatchObject({ policy: '"vendor";q=3;w=3' });
    expect(codeOf('/entries', refused!)).toBe('registration/rate-limited');
  });
});
