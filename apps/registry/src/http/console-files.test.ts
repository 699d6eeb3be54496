import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConsoleFiles } from './console-files.ts';

const SCRIPT = 'export const words = "again and again";\n'.repeat(100);
const PAGE = `<!doctype html><title>Page</title>${'<p></p>'.repeat(50)}`;
const BROWSER = { accept: 'text/html,*/*;q=0.8', 'accept-encoding': 'gzip, deflate, br' };

describe('ConsoleFiles', () => {
  const directory = mkdtempSync(join(tmpdir(), 'margo-console-'));
  let server: Server;
  beforeAll(async () => {
    mkdirSync(join(directory, 'assets'));
    writeFileSync(join(directory, 'index.html'), PAGE);
    writeFileSync(join(directory, 'tiny.txt'), 'x');
    writeFileSync(join(directory, 'mark.png'), Buffer.alloc(1_000));
    writeFileSync(join(directory, 'assets/index-Abcd1234.js'), SCRIPT);
    const files = new ConsoleFiles(directory);
    server = createServer((asked, response) => {
      if (!files.serve(asked, response)) response.writeHead(418).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  interface Answer {
    status: number | undefined;
    headers: IncomingHttpHeaders;
    body: Buffer;
  }

  /** Not by fetch, which undoes the coding. */
  function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
    const { port } = server.address() as AddressInfo;
    return new Promise((resolve, reject) => {
      const sent = request({ port, path, headers, method, agent: false }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }),
        );
      });
      sent.on('error', reject).end();
    });
  }

  const script = '/assets/index-Abcd1234.js';

  it.each(['gzip', 'gzip, deflate, br', 'br;q=1.0, gzip;q=0.5', 'GZIP', '*', 'identity;q=0, *;q=0.1'])(
    'compresses text for who accepts %s',
    async (coding) => {
      const { status, headers, body } = await ask(script, { 'accept-encoding': coding });
      expect([status, headers['content-encoding'], headers.vary]).toEqual([200, 'gzip', 'Accept-Encoding']);
      expect(headers['content-length']).toBe(String(body.length));
      expect(body.length).toBeLessThan(SCRIPT.length / 10);
      expect(gunzipSync(body).toString()).toBe(SCRIPT);
    },
  );

  it.each([undefined, '', 'identity', 'br', 'gzip;q=0', 'gzip; q=0.000, *', '*;q=0', 'gzipped'])(
    'sends it plain to who accepts %s',
    async (coding) => {
      const { headers, body } = await ask(script, coding === undefined ? {} : { 'accept-encoding': coding });
      expect([headers['content-encoding'], headers.vary]).toEqual([undefined, 'Accept-Encoding']);
      expect(body.toString()).toBe(SCRIPT);
    },
  );

  it.each(['/mark.png', '/tiny.txt'])('leaves %s as it is', async (path) => {
    const { headers } = await ask(path, BROWSER);
    expect([headers['content-encoding'], headers.vary]).toEqual([undefined, undefined]);
  });

  it('has a tag for each coding, and knows its own again', async () => {
    const plain = (await ask(script)).headers.etag!;
    const coded = (await ask(script, BROWSER)).headers.etag!;
    expect(coded).not.toBe(plain);
    const again = await ask(script, { ...BROWSER, 'if-none-match': coded });
    expect([again.status, again.headers.etag, again.body.length]).toEqual([304, coded, 0]);
    expect(again.headers['content-encoding']).toBeUndefined();
    expect((await ask(script, { ...BROWSER, 'if-none-match': plain })).status).toBe(200);
    expect((await ask(script, { 'if-none-match': plain })).status).toBe(304);
  });

  it('tells the length without the body', async () => {
    const { headers, body } = await ask(script, BROWSER, 'HEAD');
    expect([body.length, headers['content-length']]).toEqual([
      0,
      (await ask(script, BROWSER)).headers['content-length'],
    ]);
  });

  it.each([
    '/',
    '/?q=x',
    '/log',
    '/entry/12',
    '/entry/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU',
    '/vendor/01KB3S4C7PXKQ6JX5E9V8W2M3N',
  ])('shows a browser the page at %s', async (path) => {
    const { status, headers, body } = await ask(path, BROWSER);
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(gunzipSync(body).toString()).toBe(PAGE);
  });

  it.each(['/nowhere', '/entry', '/entry/x', '/entry/1/2', '/vendor/short', '/missing.js', '//', '/%00'])(
    'shows it with 404 at %s',
    async (path) => {
      const { status, headers, body } = await ask(path, { ...BROWSER, 'if-none-match': '*' });
      expect([status, headers.etag]).toEqual([404, undefined]);
      expect(gunzipSync(body).toString()).toBe(PAGE);
    },
  );

  it('leaves the rest to the API', async () => {
    for (const path of ['/api/v1/log', '/log/checkpoint', '/docs', '/livez', '/.well-known/x']) {
      expect((await ask(path, BROWSER)).status, path).toBe(418);
    }
    expect((await ask('/nowhere')).status).toBe(418);
    expect((await ask('/nowhere', { accept: 'application/json' })).status).toBe(418);
    expect((await ask('/', BROWSER, 'POST')).status).toBe(418);
  });
});
