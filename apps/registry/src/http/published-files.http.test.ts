import { request as httpRequest } from 'node:http';
import { Client } from 'pg';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { Db } from '../db/db.ts';
import { fresh, IMMUTABLE, PublishedFiles } from './published-files.store.ts';

describe('published files', () => {
  let registry: TestRegistry;
  let files: PublishedFiles;
  beforeAll(async () => {
    registry = await startTestRegistry();
    files = registry.app.get(PublishedFiles);
  });
  afterAll(() => registry.close());

  const publish = (path: string, text: string, cacheControl = fresh(5)) =>
    registry.app
      .get(Db)
      .transaction((tx) =>
        files.publish(tx, path, { body: Buffer.from(text), contentType: 'text/plain', cacheControl }),
      );

  it('serves the bytes with length, tag, caching and CORS', async () => {
    await publish('/tuf/7.test.json', '{"a":1}', IMMUTABLE);
    const response = await request(registry.url).get('/tuf/7.test.json');
    expect(response.status).toBe(200);
    expect(response.text).toBe('{"a":1}');
    expect(response.headers).toMatchObject({
      'content-type': 'text/plain',
      'content-length': '7',
      'cache-control': 'public, max-age=31536000, immutable',
      'access-control-allow-origin': '*',
      'x-content-type-options': 'nosniff',
      etag: expect.stringMatching(/^"[\w-]{43}"$/),
    });
    const head = await request(registry.url).head('/tuf/7.test.json');
    expect([head.status, head.headers['content-length'], head.text]).toEqual([200, '7', undefined]);
  });

  it('answers 304 to a known tag, weak and listed ones included', async () => {
    await publish('/crl/test/0.crl', 'x');
    const { etag } = (await request(registry.url).get('/crl/test/0.crl')).headers as { etag: string };
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      expect((await request(registry.url).get('/crl/test/0.crl').set('If-None-Match', known)).status).toBe(304);
    }
    expect((await request(registry.url).get('/crl/test/0.crl').set('If-None-Match', '"other"')).status).toBe(200);
  });

  it('shows a replacement at once, with another tag, and nothing of a rollback', async () => {
    await publish('/ca/test.crt', 'one');
    const first = await request(registry.url).get('/ca/test.crt');
    await publish('/ca/test.crt', 'two');
    const second = await request(registry.url).get('/ca/test.crt');
    expect([first.text ?? first.body, second.text ?? second.body].map(String)).toEqual(['one', 'two']);
    expect(first.headers['etag']).not.toBe(second.headers['etag']);

    const body = { body: Buffer.from('three'), contentType: 'text/plain', cacheControl: fresh(5) };
    const failing = registry.app.get(Db).transaction(async (tx) => {
      await files.publish(tx, '/ca/test.crt', body);
      expect((await files.findIn(tx, '/ca/test.crt'))?.body.toString()).toBe('three');
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    expect(Buffer.from((await files.find('/ca/test.crt'))!.body).toString()).toBe('two');
  });

  it('notices a change made by another process', async () => {
    await publish('/tuf/other.json', 'old');
    expect((await request(registry.url).get('/tuf/other.json')).text).toBe('old');
    const { host, database } = registry.source.options as { host: string; database: string };
    const other = new Client({ host, user: 'margo', database });
    await other.connect();
    await other.query(`BEGIN; UPDATE published_file SET body = 'new', etag = '"new"' WHERE path = '/tuf/other.json';
      SELECT pg_notify('published_file', '/tuf/other.json'); COMMIT`);
    await other.end();
    await expect.poll(async () => (await request(registry.url).get('/tuf/other.json')).text).toBe('new');
  });

  it('goes on without memory when the listening connection breaks, and listens again', async () => {
    await publish('/tuf/broken.json', 'one');
    await registry.source.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND query LIKE 'LISTEN%'`);
    await expect.poll(async () => (await request(registry.url).get('/tuf/broken.json')).status).toBe(200);
    await registry.source.query(`UPDATE published_file SET body = 'two' WHERE path = '/tuf/broken.json'`);
    await expect.poll(async () => (await request(registry.url).get('/tuf/broken.json')).text).toBe('two');
    const listening = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`;
    await expect
      .poll(async () => (await registry.source.query<unknown[]>(listening)).length, { timeout: 5_000 })
      .toBe(1);
  });

  it('leaves missing files, wrong methods and preflights properly answered', async () => {
    const missing = await request(registry.url).get('/tuf/99.root.json');
    expect([missing.status, missing.body.code]).toEqual([404, 'http/not-found']);
    expect(missing.headers['access-control-allow-origin']).toBe('*');
    expect((await request(registry.url).post('/tuf/7.test.json').send('x')).status).toBe(404);
    const preflight = await request(registry.url)
      .options('/tuf/7.test.json')
      .set('Origin', 'https://elsewhere.example');
    expect([preflight.status, preflight.headers['access-control-allow-methods']]).toEqual([204, 'GET, HEAD']);
  });

  it.each(['/tuf/../livez', '/tuf/%00', '/tuf/%2e%2e/livez', '/tuf//', `/tuf/${'x'.repeat(8_000)}`, '/tuf/\u007f'])(
    'answers the path %.30j with 4xx',
    async (path) => {
      const { hostname, port } = new URL(registry.url);
      const status = await new Promise<number>((resolve, reject) => {
        // Not fetch, which would tidy the path.
        const call = httpRequest({ hostname, port, path: encodeURI(path) }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        call.on('error', reject).end();
      });
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
    },
  );
});
