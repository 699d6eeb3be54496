import { decodeCbor } from '@margo-trust/cbor';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';

describe('HTTP', () => {
  let registry: TestRegistry;
  let bearer: string;
  beforeAll(async () => {
    registry = await startTestRegistry();
    bearer = await registry.bearer('victor');
  });
  afterAll(() => registry.close());

  const apply = () => request(registry.url).post('/api/v1/vendors').set('Authorization', bearer);

  function expectProblem(response: request.Response, status: number, code: string): void {
    expect(response.status).toBe(status);
    expect(response.headers['content-type']).toBe('application/problem+json');
    const type = `https://registry.localhost/errors/${code}`;
    expect(response.body).toMatchObject({ status, code, type, instance: response.headers['x-request-id'] });
  }

  it('answers an unknown path with a problem that names the request', async () => {
    const response = await request(registry.url).get('/no/such/path');
    expectProblem(response, 404, 'http/not-found');
    expect(response.body.instance).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it('answers a wrong method with 405 and the right ones', async () => {
    const response = await request(registry.url).delete('/api/v1/vendors');
    expectProblem(response, 405, 'http/method-not-allowed');
    expect(response.headers['allow']).toBe('GET, HEAD, POST');
  });

  it.each([
    ['GET', '/entries/x', 404],
    ['GET', '/entries/x/y/z', 404],
    ['PUT', '/entries', 405],
    ['GET', '/.well-known/scitt-keys/a/b', 404],
  ])('speaks CBOR about %s %s (RFC 9290)', async (method, path, status) => {
    const response = await fetch(`${registry.url}${path}`, { method });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/concise-problem-details+cbor');
    const problem = decodeCbor(new Uint8Array(await response.arrayBuffer())) as Map<unknown, unknown>;
    expect(problem.get(-1)).toEqual(expect.any(String));
    expect(problem.get(-2)).toEqual(expect.any(String));
    expect(problem.get(-3)).toBe(response.headers.get('x-request-id'));
    expect(problem.get(-4)).toBe(4 * 32 + (status % 100));
    const ours = problem.get('https://registry.localhost/errors') as Map<string, unknown>;
    expect(ours.get('code')).toMatch(/^[a-z]+\/[a-z-]+$/);
  });

  it.each([
    ['null', 400, 'http/not-an-object'],
    ['[]', 400, 'http/not-an-object'],
    ['"text"', 400, 'http/not-an-object'],
    ['7', 400, 'http/not-an-object'],
    ['', 400, 'bytes/bad-json'],
    ['{', 400, 'bytes/bad-json'],
    ['{"legalName":1,"legalName":2}', 400, 'bytes/duplicate-key'],
    ['['.repeat(200_000), 400, 'bytes/too-deep'],
    [`${'{"a":'.repeat(40_000)}1${'}'.repeat(40_000)}`, 400, 'bytes/too-deep'],
    ['{}', 422, 'http/invalid-body'],
    ['{"legalName":null}', 422, 'http/invalid-body'],
    ['{"__proto__":{"legalName":"x"}}', 422, 'http/invalid-body'],
  ])('refuses the body %.40s', async (body, status, code) => {
    expectProblem(await apply().type('application/json').send(body), status, code);
  });

  it('refuses bytes that are not UTF-8', async () => {
    const response = await fetch(`${registry.url}/api/v1/vendors`, {
      method: 'POST',
      headers: { authorization: bearer, 'content-type': 'application/json' },
      body: Uint8Array.of(0x7b, 0xff, 0x7d),
    });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'bytes/bad-utf8']);
  });

  it('refuses a body over the limit, announced or not', async () => {
    expectProblem(
      await apply()
        .type('application/json')
        .send(`"${'x'.repeat(262_144)}"`),
      413,
      'http/body-too-large',
    );
    const endless = new ReadableStream({ pull: (stream) => stream.enqueue(new Uint8Array(65_536)) });
    const init = {
      method: 'POST',
      body: endless,
      duplex: 'half',
      headers: { authorization: bearer, 'content-type': 'application/json' },
    };
    const answer = await fetch(`${registry.url}/api/v1/vendors`, init as RequestInit).then(
      (r) => r.status,
      () => 'cut',
    );
    expect([413, 'cut']).toContain(answer);
  });

  it('refuses other media types and content codings', async () => {
    expectProblem(await apply().type('text/plain').send('{}'), 415, 'http/unsupported-media-type');
    const coded = apply().type('application/json').set('Content-Encoding', 'gzip').send('{}');
    expectProblem(await coded, 415, 'http/unsupported-media-type');
  });

  it('refuses an undecodable path without a 500', async () => {
    expectProblem(await request(registry.url).get('/api/v1/vendors/%ff'), 400, 'http/malformed-request');
  });

  it('names every member at fault', async () => {
    const response = await apply().send({
      legalName: 7,
      claims: { applicationIdPrefixes: ['UPPER'], extra: 1 },
      unknown: 1,
    });
    expectProblem(response, 422, 'http/invalid-body');
    const fields = new Set((response.body.errors as { field: string }[]).map(({ field }) => field));
    for (const field of ['legalName', 'country', 'unknown', 'claims.extra', 'claims.applicationIdPrefixes']) {
      expect(fields).toContain(field);
    }
  });

  it('says nothing about an error of ours but the name of the request', async () => {
    await registry.source.query('ALTER TABLE vendor RENAME TO hidden');
    const response = await request(registry.url).get('/api/v1/vendors');
    await registry.source.query('ALTER TABLE hidden RENAME TO vendor');
    expectProblem(response, 500, 'http/internal');
    expect(JSON.stringify(response.body)).not.toMatch(/vendor|relation|sql/i);
    expect(registry.logged.at(-1)).toMatchObject({
      instance: response.body.instance,
      err: { message: /does not exist/ as never },
    });
  });

  it('sends a strict content security policy, and loosens styles for the API page only', async () => {
    const page = await request(registry.url).get('/livez');
    expect(page.headers['content-security-policy']).toContain("script-src 'self'");
    expect(page.headers['content-security-policy']).not.toContain('unsafe-inline');
    const docs = await request(registry.url).get('/docs/');
    expect(docs.status).toBe(200);
    expect(docs.headers['content-security-policy']).toContain("style-src 'self' 'unsafe-inline'");
    expect(docs.headers['content-security-policy']).toContain("script-src 'self';");
  });

  it('is alive, ready and measured', async () => {
    expect((await request(registry.url).get('/livez')).body).toEqual({ status: 'ok' });
    expect((await request(registry.url).get('/readyz')).status).toBe(200);
    const metrics = await request(registry.url).get('/metrics');
    expect(metrics.text).toMatch(/http_request_duration_seconds_count\{method="GET",area="other",status="200"\} \d+/);
    expect(metrics.text).toContain('process_resident_memory_bytes');
  });

  it('says where to report a vulnerability (RFC 9116)', async () => {
    const response = await request(registry.url).get('/.well-known/security.txt');
    expect(response.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(response.text).toMatch(
      /^Contact: mailto:security@registry\.localhost\nExpires: \d{4}-\d\d-\d\dT00:00:00Z\n/,
    );
  });

  it('describes itself as the checked-in OpenAPI document says', async () => {
    const { body } = await request(registry.url).get('/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    await expect(`${JSON.stringify(body, undefined, 2)}\n`).toMatchFileSnapshot('../../openapi.json');
  });
});
