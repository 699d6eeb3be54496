import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeUtf8 } from '@margo-trust/bytes';
import { afterEach, describe, expect, it } from 'vitest';
import { S3TileStore } from './s3-tile-store.ts';
import { TileConflict, UnfitStore } from './tile-store.ts';

/** How a store answers a PUT whose condition does not hold. */
type Flaw = 'none' | 'ignores If-None-Match' | 'ignores If-Match' | 'answers 304' | 'loses bytes' | 'is busy';

/**
 * A bucket in memory that has one flaw at most. What real stores do is tested against a real one, by `npm run interop`.
 */
function bucket(flaw: Flaw) {
  const objects = new Map<string, Buffer>();
  const requests: IncomingMessage[] = [];
  let isBusy = flaw === 'is busy';
  const tag = (bytes: Buffer | undefined) => bytes && `"${bytes.toString('hex')}"`;
  const server = createServer((request, response) => {
    requests.push(request);
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const path = request.url ?? '';
      const kept = objects.get(path);
      if (request.method === 'GET') {
        return kept ? response.writeHead(200, { etag: tag(kept) }).end(kept) : response.writeHead(404).end();
      }
      if (request.method === 'DELETE') return response.writeHead(objects.delete(path) ? 204 : 404).end();
      const { 'if-none-match': none, 'if-match': match } = request.headers;
      const isRefused =
        (none === '*' && kept !== undefined && flaw !== 'ignores If-None-Match') ||
        (match !== undefined && match !== tag(kept) && flaw !== 'ignores If-Match');
      if (isRefused) return response.writeHead(flaw === 'answers 304' ? 304 : 412).end();
      if (isBusy) {
        isBusy = false;
        return response.writeHead(409).end();
      }
      objects.set(path, flaw === 'loses bytes' ? Buffer.alloc(0) : Buffer.concat(parts));
      response.writeHead(200, { etag: tag(objects.get(path)) }).end();
    });
  });
  return { server, objects, requests };
}

describe('the store in a bucket', () => {
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  async function open(flaw: Flaw = 'none') {
    const made = bucket(flaw);
    servers.push(made.server);
    await new Promise<void>((resolve) => made.server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(made.server.address() as AddressInfo).port}`;
    const place = { endpoint, bucket: 'log', region: 'eu-central-1', prefix: 'margo/' };
    return { ...made, store: new S3TileStore(place, { accessKey: 'access', secretKey: 'secret' }) };
  }
  const file = (path: string, text: string) => ({ path, bytes: encodeUtf8(text) });

  it('is used when it refuses to overwrite, and keeps nothing of the test', async () => {
    const { store, objects } = await open();
    await store.prove();
    expect(objects.size).toBe(0);
  });

  it.each<[Flaw, RegExp]>([
    ['ignores If-None-Match', /If-None-Match: \* was ignored/],
    ['ignores If-Match', /If-Match was ignored/],
    ['answers 304', /answered 304 rather than 412/],
    ['loses bytes', /what was written is not what is read/],
  ])('is refused when it %s', async (flaw, message) => {
    const { store, objects } = await open(flaw);
    const refusal = store.prove();
    await expect(refusal).rejects.toThrow(UnfitStore);
    await expect(refusal).rejects.toThrow(message);
    expect(objects.size).toBe(0);
  });

  it('is not called unfit while it cannot be asked', async () => {
    const { store, server } = await open();
    server.close();
    await expect(store.prove()).rejects.not.toBeInstanceOf(UnfitStore);
  });

  it('tries again when two writers met', async () => {
    const { store, objects } = await open('is busy');
    await store.create([file('tile/0/000', 'a')]);
    expect(String(objects.get('/log/margo/tile/0/000'))).toBe('a');
  });

  it('takes its own bytes for success and other bytes for a conflict', async () => {
    const { store, objects } = await open();
    await store.create([file('tile/0/000', 'a')]);
    await store.create([file('tile/0/000', 'a')]);
    await expect(store.create([file('tile/0/001', 'b'), file('tile/0/000', 'x')])).rejects.toThrow(TileConflict);
    expect([...objects].map(([path, bytes]) => [path, String(bytes)])).toEqual([
      ['/log/margo/tile/0/000', 'a'],
      ['/log/margo/tile/0/001', 'b'],
    ]);
  });

  it('lets no late write put an older checkpoint back', async () => {
    const { store, objects } = await open();
    await store.replace(file('checkpoint', '1'), undefined);
    const first = await store.read('checkpoint');
    await store.replace(file('checkpoint', '3'), first);
    await expect(store.replace(file('checkpoint', '2'), first)).rejects.toThrow(TileConflict);
    await store.replace(file('checkpoint', '3'), first); // its own success, asked again
    expect(String(objects.get('/log/margo/checkpoint'))).toBe('3');
  });

  it('says how each file is to be served, and signs what it sends', async () => {
    const { store, requests } = await open();
    await store.create([file('tile/0/000', 'a')]);
    await store.replace(file('checkpoint', 'b'), undefined);
    const said = requests.map(({ headers }) => [headers['content-type'], headers['cache-control']]);
    expect(said).toEqual([
      ['application/octet-stream', 'public, max-age=31536000, immutable'],
      ['text/plain; charset=utf-8', 'public, max-age=1'],
    ]);
    for (const { headers } of requests) {
      expect(headers.authorization).toMatch(
        /^AWS4-HMAC-SHA256 Credential=access\/\d{8}\/eu-central-1\/s3\/aws4_request/,
      );
      expect(headers.authorization).toContain('x-amz-content-sha256');
      expect(headers['x-amz-content-sha256']).toMatch(/^[0-9a-f]{64}$/);
    }
  });
});
