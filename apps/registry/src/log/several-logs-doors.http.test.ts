import { request } from 'node:http';
import { decodeCbor } from '@margo-trust/cbor';
import { parseStatement } from '@margo-trust/statement';
import { beforeAll, describe, expect, it } from 'vitest';
import { requestHashedRekord } from '../../../../test/artifact.ts';
import { BAD_SEGMENTS, BAD_TILES } from '../../../../test/hostile-input.ts';
import { call } from '../../../../test/pki.ts';
import type { TestRegistry } from '../../../../test/registry.ts';
import { FIRST, SECOND, originOf, type SigningVendor, useLogs } from '../../../../test/several-logs.ts';
import { DeliverNotifications } from '../notifications/deliver-notifications.ts';

/** A registry whose first log is closed for statements, so that they go to the second. */
describe('other logs than the first', () => {
  const logs = useLogs();
  const { published, load, publish, logOf, decide } = logs;
  let registry: TestRegistry;
  let vendor: SigningVendor;
  beforeAll(async () => {
    ({ registry, vendor } = logs);
    await decide('open', '2027');
    await decide('close'); // the first, for statements
    for (let n = 0; n < 2; n += 1) expect(originOf(await publish())).toBe(SECOND);
  });

  it('take what Sigstore’s tools send as well', async () => {
    const response = await fetch(`${registry.url}/api/v2/log/entries`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: requestHashedRekord(vendor.key, vendor.chain),
    });
    expect(response.status).toBe(201);
    const entry = (await response.json()) as { inclusionProof: { checkpoint: { envelope: string } } };
    expect(entry.inclusionProof.checkpoint.envelope.split('\n')[0]).toBe(SECOND);
  });

  it('answer for themselves below their name, at their host, and by EntryID wherever it lies', async () => {
    const first = published[0]!;
    const second = published.at(-1)!;
    for (const { statement, receipt } of [first, second]) {
      const { entryId } = parseStatement(statement);
      const given = await load(`/entries/${entryId}`);
      expect(originOf(given)).toBe(originOf(receipt));
      for (const part of ['statement', 'transparent-statement', 'proof']) {
        expect((await fetch(`${registry.url}/entries/${entryId}/${part}`)).status, part).toBe(200);
      }
      expect((await call(registry, 'get', `/api/v1/log/entries/${entryId}`)).status).toBe(200);
    }
    const inSecond = parseStatement(second.statement).entryId;
    const inFirst = parseStatement(first.statement).entryId;
    expect((await fetch(`${registry.url}/logs/2027/entries/${inSecond}`)).status).toBe(200);
    const missing = await fetch(`${registry.url}/logs/2027/entries/${inFirst}`);
    expect(missing.status).toBe(404);
    expect(missing.headers.get('content-type')).toBe('application/concise-problem-details+cbor');
    expect(decodeCbor(new Uint8Array(await missing.arrayBuffer()))).toBeInstanceOf(Map);

    const own = await load('/logs/2027/checkpoint');
    expect(Buffer.from(own).toString().split('\n')[0]).toBe(SECOND);
    expect(await atHost(SECOND, '/checkpoint')).toEqual({ status: 200, first: SECOND });
    expect(await atHost(`${SECOND}:443`, '/log/checkpoint')).toEqual({ status: 200, first: SECOND });
    expect(await atHost(FIRST, '/checkpoint')).toEqual({ status: 200, first: FIRST });
    expect((await atHost('2099.log.registry.localhost', '/checkpoint')).status).toBe(404);
    for (const path of [
      'tile/0/000.p/5',
      'tile/entries/000.p/5',
      'checkpoint.cose',
      'log.json',
      'consistency?from=2',
      'seals',
      'evidence/000.p/5',
    ]) {
      const response = await fetch(`${registry.url}/logs/2027/${path}`);
      expect([path, response.status]).toEqual([path, 200]);
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
    }
    for (const path of [
      '/logs/2099/checkpoint',
      '/logs/2099/entries',
      '/api/v1/logs/2099/entries',
      '/logs/2027/log/checkpoint',
      '/logs/2027/api/v1/me',
    ]) {
      expect([path, (await fetch(`${registry.url}${path}`)).status]).toEqual([path, 404]);
    }
    const keys = decodeCbor(await load('/logs/2027/.well-known/scitt-keys')) as unknown[];
    expect(keys).toHaveLength(3); // two of receipts, one of records
    expect((await fetch(`${registry.url}/logs/2027/checkpoint`, { method: 'OPTIONS' })).status).toBe(204);
  });

  it('let in whom the first lets in, below their name', async () => {
    const routes = [
      ['post', '/entries/0/erasure', { reason: 'x' }],
      ['get', '/policy/proposals', undefined],
      ['get', '/subscriptions', undefined],
    ] as const;
    for (const [method, path, body] of routes) {
      for (const prefix of ['/api/v1/log', '/api/v1/logs/2027']) {
        expect([prefix, (await call(registry, method, `${prefix}${path}`, undefined, body)).status]).toEqual([
          prefix,
          401,
        ]);
        if (path === '/subscriptions') continue;
        const forbidden = await call(registry, method, `${prefix}${path}`, 'victor', body);
        expect([prefix, forbidden.status]).toEqual([prefix, 403]);
      }
    }
    const response = await fetch(`${registry.url}/api/v1/logs/2027/entries`, {
      headers: { Authorization: 'Bearer x' },
    });
    expect(response.status).toBe(401);
  });

  it('answer hostile paths as the first does', async () => {
    const paths = BAD_SEGMENTS.filter((segment) => !/^\.\.?$/.test(segment)).flatMap((segment) => [
      `entries/${segment}`,
      `.well-known/scitt-keys/${segment}`,
    ]);
    for (const path of [...paths, ...BAD_TILES]) {
      const isTile = path.startsWith('tile/');
      const [own, first] = [await statusOf(`/logs/2027/${path}`), await statusOf(isTile ? `/log/${path}` : `/${path}`)];
      expect([path, own]).toEqual([path, isTile && first === 200 ? expect.any(Number) : first]);
      expect(own).toBeLessThan(500);
    }
    for (const name of BAD_SEGMENTS) {
      for (const path of [`/logs/${name}/checkpoint`, `/api/v1/logs/${name}/entries`]) {
        expect([path, await statusOf(path)]).toEqual([
          path,
          expect.toSatisfy((status: number) => status >= 400 && status < 500),
        ]);
      }
    }
  });

  it('tell followers and subscribers each of its own entries', async () => {
    const follow = await call(registry, 'get', '/api/v1/logs/2027/follow?after=2');
    expect(follow.status, follow.text).toBe(200);
    const { items } = follow.body as { items: { index: string }[] };
    expect(items[0]).toMatchObject({ index: '3' });
    const request = { organisation: vendor.id, url: 'https://example.com/hook', vendor: vendor.id };
    const begun = await call(registry, 'post', '/api/v1/logs/2027/subscriptions', 'victor', request);
    expect(begun.status, begun.text).toBe(201);
    const { id } = begun.body as { id: string };
    expect(begun.headers['location']).toBe(`/api/v1/logs/2027/subscriptions/${id}`);
    const idsAt = async (path: string) =>
      ((await call(registry, 'get', path, 'victor')).body as { items: { id: string }[] }).items.map((one) => one.id);
    expect(await idsAt('/api/v1/logs/2027/subscriptions')).toEqual([id]);
    expect(await idsAt('/api/v1/log/subscriptions')).toEqual([]);
    expect((await call(registry, 'delete', `/api/v1/log/subscriptions/${id}`, 'victor')).status).toBe(404);
    const [due, other] = [logOf(SECOND).app.get(DeliverNotifications), registry.app.get(DeliverNotifications)];
    await publish('/logs/2027/entries');
    expect([await due.isDue(), await other.isDue()]).toEqual([true, false]);
    expect((await call(registry, 'delete', `/api/v1/logs/2027/subscriptions/${id}`, 'victor')).status).toBe(204);
  });

  /** Of a path as it stands, which `fetch` would tidy up; 400 where the server cuts the connection. */
  function statusOf(path: string): Promise<number> {
    const { hostname, port } = new URL(registry.url);
    return new Promise((resolve) => {
      const sent = request({ hostname, port, path: encodeURI(path).replaceAll('%25', '%') }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      sent.on('error', () => resolve(400));
      sent.end();
    });
  }

  /** As a client asks that knows the log by its own host name. */
  function atHost(host: string, path: string): Promise<{ status: number; first: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(`${registry.url}${path}`, { headers: { host } }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, first: text.split('\n')[0] ?? '' }));
      });
      sent.on('error', reject);
      sent.end();
    });
  }
});
