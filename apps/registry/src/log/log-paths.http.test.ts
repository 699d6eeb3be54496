import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { encodeBase64Url } from '@margo-trust/bytes';
import { parseStatement } from '@margo-trust/statement';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestHashedRekord, signSomeArtifact } from '../../../../test/artifact.ts';
import { BAD_HEADERS, BAD_SEGMENTS, BAD_TILES } from '../../../../test/hostile-input.ts';
import { admitVendor, issueTo, makeCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { FrontDoor, type Rooms } from '../http/front-door.ts';
import { Random } from '../random.ts';
import { LogIdentity } from './log-identity.ts';
import { LogReader } from './log.reader.ts';

/** Every request gets the same name, so that answers can be compared whole. */
class SameBytes extends Random {
  bytes(length: number): Uint8Array {
    return new Uint8Array(length).fill(7);
  }
}

interface Wire {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: Uint8Array;
}

describe('the log by both roads', () => {
  let registry: TestRegistry;
  let servers: { hot: Server; framework: Server };
  let sign: () => Uint8Array;
  let hashedRekordRequest: () => string;
  let logged: Uint8Array;
  let entryId: string;
  /** Which paths the dispatcher took. */
  const taken: string[] = [];

  beforeAll(async () => {
    registry = await startTestRegistry();
    const vendor = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, vendor, pem);
    sign = () => signSomeArtifact(`https://${vendor}.vendors.registry.localhost/`, key, chain);
    hashedRekordRequest = () => requestHashedRekord(key, chain);
    logged = sign();
    entryId = parseStatement(logged).entryId;

    const { hotPaths, ...rest } = registry.rooms;
    const find: Rooms['hotPaths'] = {
      find: (path, request) => {
        const reply = hotPaths?.find(path, request);
        if (reply !== undefined) taken.push(`${request.method} ${path}`);
        return reply;
      },
    };
    servers = { hot: await serve({ ...rest, hotPaths: find }), framework: await serve(rest) };
    expect(text((await ask('hot', post(logged))).head)).toMatch(/^HTTP\/1.1 201 /);
  });
  afterAll(async () => {
    servers?.hot.close();
    servers?.framework.close();
    await registry?.close();
  });

  async function serve(rooms: Rooms): Promise<Server> {
    const door = new FrontDoor(registry.config, new SameBytes(), pino({ level: 'silent' }));
    door.open(rooms);
    const server = createServer(door.handle);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  const post = (body: Uint8Array, headers: Record<string, string> = {}): Wire => ({
    method: 'POST',
    path: '/entries',
    headers: { 'Content-Type': 'application/cose', 'Content-Length': String(body.length), ...headers },
    body,
  });

  /** Bytes as they are on the wire, over a connection of its own; the date is taken out. */
  function ask(road: 'hot' | 'framework', { method, path, headers = {}, body }: Wire) {
    const { port } = servers[road].address() as AddressInfo;
    return new Promise<{ head: Buffer; body: Buffer }>((resolve, reject) => {
      const socket = connect(port, '127.0.0.1');
      const parts: Buffer[] = [];
      socket.on('data', (part) => parts.push(part));
      socket.on('error', (error: NodeJS.ErrnoException) => error.code !== 'ECONNRESET' && reject(error));
      socket.on('close', () => {
        const all = Buffer.concat(parts);
        const end = all.indexOf('\r\n\r\n');
        resolve({ head: all.subarray(0, end), body: all.subarray(end + 4) });
      });
      const given = Object.entries({ Host: '127.0.0.1', Connection: 'close', ...headers });
      socket.write(
        `${method} ${path} HTTP/1.1\r\n${given.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
      );
      if (body !== undefined) socket.write(body);
    });
  }

  const text = (bytes: Buffer): string => bytes.toString('latin1');

  /** Status line, headers in a fixed order, body. */
  async function answerOf(road: 'hot' | 'framework', wire: Wire): Promise<string[]> {
    const { head, body } = await ask(road, wire);
    const [status = '', ...lines] = text(head).split('\r\n');
    const headers = lines.filter((line) => !/^date:/i.test(line)).map((line) => line.replace(/^[^:]+/, lower));
    return [status, ...headers.sort(), text(body)];
  }
  const lower = (name: string): string => name.toLowerCase();

  async function expectSame(wire: Wire): Promise<string[]> {
    const hot = await answerOf('hot', wire);
    expect(hot, `${wire.method} ${wire.path.slice(0, 100)}`).toEqual(await answerOf('framework', wire));
    expect(hot[0]).toMatch(/^HTTP\/1\.1 [1-4]\d\d /);
    return hot;
  }

  function files(): string[] {
    return [
      '/log/checkpoint',
      '/log/log.json',
      '/log/tile/0/000.p/2',
      '/log/tile/entries/000.p/3',
      '/.well-known/scitt-keys',
    ];
  }
  function reads(): string[] {
    const kid = encodeBase64Url(registry.app.get(LogIdentity).receipt.kid);
    const entry = `/entries/${entryId}`;
    return [
      ...files(),
      `/.well-known/scitt-keys/${kid}`,
      ...[entry, `${entry}/statement`, `${entry}/transparent-statement`, `${entry}/proof`],
    ];
  }

  it('answers every read alike, with and without body, query or condition', async () => {
    for (const path of reads()) {
      const before = taken.length;
      const [status] = await expectSame({ method: 'GET', path });
      expect(status, path).toBe('HTTP/1.1 200 OK');
      expect(taken.length, `${path} is taken in front of the framework`).toBe(before + 1);
      for (const method of ['HEAD', 'OPTIONS', 'POST', 'PUT', 'DELETE', 'TRACE', 'PROPFIND'])
        await expectSame({ method, path });
      for (const suffix of ['?', '?a=b', '?a=%ff&a=1', '/', '//', '#f', ';', '%20', '%2f', '.', '/..'])
        await expectSame({ method: 'GET', path: path + suffix });
      await expectSame({ method: 'GET', path: path.toUpperCase() });
      await expectSame({ method: 'GET', path: `http://127.0.0.1${path}` });
      await expectSame({ method: 'GET', path: path.replace(/o/, '%6f').replace(/0/, '%30') });
      await expectSame({ method: 'GET', path: `/${path}` });
    }
  });

  it('answers 304 to whoever holds the bytes, by both roads', async () => {
    for (const path of ['/log/checkpoint', '/log/tile/0/000.p/2', '/log/tile/entries/000.p/3']) {
      const headers = await expectSame({ method: 'GET', path });
      const etag = headers.find((line) => line.startsWith('etag: '))?.slice('etag: '.length) ?? '';
      expect(etag).toMatch(/^"[\w-]{43}"$/);
      for (const known of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
        const [status, ...rest] = await expectSame({ method: 'GET', path, headers: { 'If-None-Match': known } });
        expect([status, rest.at(-1)]).toEqual(['HTTP/1.1 304 Not Modified', '']);
        expect(rest.join()).toMatch(/cache-control: public, max-age=/);
      }
      const [other] = await expectSame({ method: 'GET', path, headers: { 'If-None-Match': '"x"' } });
      expect(other).toBe('HTTP/1.1 200 OK');
      await expectSame({ method: 'HEAD', path, headers: { 'If-None-Match': etag } });
      await expectSame({
        method: 'GET',
        path,
        headers: { 'If-None-Match': etag, 'Cache-Control': 'no-cache', Range: 'bytes=0-1' },
      });
    }
  });

  it('lets caches keep tiles for ever and checkpoints for a second', async () => {
    const head = await registry.app.get(LogReader).loadHead();
    for (let width = 1; width <= Number(head.size); width += 1) {
      for (const path of [`/log/tile/0/000.p/${width}`, `/log/tile/entries/000.p/${width}`]) {
        const answer = await expectSame({ method: 'GET', path });
        expect(answer[0], path).toBe('HTTP/1.1 200 OK');
        expect(answer).toContain('cache-control: public, max-age=31536000, immutable');
      }
    }
    expect(await expectSame({ method: 'GET', path: '/log/checkpoint' })).toContain('cache-control: public, max-age=1');
  });

  it('answers hostile paths alike', async () => {
    const missing = `/entries/${'A'.repeat(43)}`;
    const paths = [
      ...[
        missing,
        `${missing}/statement`,
        `${missing}/proof`,
        `${missing}/other`,
        `/.well-known/scitt-keys/${'A'.repeat(43)}`,
      ],
      ...BAD_SEGMENTS.flatMap((segment) => [
        ...[
          `/entries/${segment}`,
          `/entries/${segment}/proof`,
          `/.well-known/scitt-keys/${segment}`,
          `/log/${segment}`,
        ],
      ]),
      ...BAD_TILES.map((tile) => `/log/${tile}`),
      ...['/entries', '/entries/', '/log/', '/log', '/logs/checkpoint', '/.well-known/scitt-keysx'],
    ];
    for (const path of paths) await expectSame({ method: 'GET', path });
  });

  it('answers hostile headers alike', async () => {
    for (const headers of BAD_HEADERS) {
      for (const path of [...files(), `/entries/${entryId}`]) await expectSame({ method: 'GET', path, headers });
      await expectSame(post(logged, headers));
    }
  });

  it('answers the same receipt to the same statement, by either road first', async () => {
    const [status, ...rest] = await expectSame(post(logged));
    expect(status).toBe('HTTP/1.1 201 Created');
    expect(rest).toContain(`location: /entries/${entryId}`);
    expect(rest).toContain('content-type: application/cose');

    const second = sign();
    const [first] = await answerOf('framework', post(second));
    expect(first).toBe('HTTP/1.1 201 Created');
    await expectSame(post(second));
  });

  it('refuses bad registrations alike', async () => {
    const damaged = (at: number) => Uint8Array.from(logged, (byte, i) => (i === at ? byte ^ 1 : byte));
    const bodies = [
      ...[new Uint8Array(0), Uint8Array.of(0xd2), randomBytes(300), logged.slice(0, 100), Uint8Array.of(...logged, 0)],
      ...[2, 40, 200, logged.length - 1].map(damaged),
      ...[1_048_576, 1_048_577].map((length) => new Uint8Array(length)),
    ];
    for (const body of bodies) {
      const [status] = await expectSame(post(body));
      expect(status).toMatch(/ 4\d\d /);
    }
    for (const type of ['', 'text/plain', 'application/cose; x=y', 'APPLICATION/COSE', 'application/cosex'])
      await expectSame(post(logged, { 'Content-Type': type }));
    for (const coding of ['gzip', 'identity', '']) await expectSame(post(logged, { 'Content-Encoding': coding }));
    await expectSame(post(logged, { Authorization: 'Bearer x' }));
    await expectSame(post(logged, { Expect: '100-continue' }));
    await expectSame({ ...post(logged), path: '/entries?api-version=2026-03-26' });
    await expectSame({ ...post(logged), path: '/entries/' });
    await expectSame({ ...post(logged), path: '/ENTRIES' });
    await expectSame({ ...post(logged), path: '/%65ntries' });
    await expectSame({ ...post(logged), method: 'PUT' });
    await expectSame({ ...post(logged), method: 'PATCH', path: `/entries/${entryId}` });
  });

  it('takes what Sigstore tools log, and refuses what they may not, alike', async () => {
    const rekord = (body: Uint8Array | string, headers: Record<string, string> = {}): Wire => ({
      ...post(typeof body === 'string' ? Buffer.from(body) : body, { 'Content-Type': 'application/json', ...headers }),
      path: '/api/v2/log/entries',
    });
    const request = hashedRekordRequest();
    const before = taken.length;
    const [status, ...rest] = await expectSame(rekord(request));
    expect(status).toBe('HTTP/1.1 201 Created');
    expect(rest).toContain('content-type: application/json; charset=utf-8');
    expect(JSON.parse(rest.at(-1) ?? '')).toMatchObject({ kindVersion: { kind: 'hashedrekord', version: '0.0.2' } });
    expect(taken.slice(before)).toEqual(['POST /api/v2/log/entries']);

    const second = hashedRekordRequest();
    expect((await answerOf('framework', rekord(second)))[0]).toBe('HTTP/1.1 201 Created');
    await expectSame(rekord(second));

    const wrong = request.replace(/"digest":"(.)/, (_, c: string) => `"digest":"${c === 'A' ? 'B' : 'A'}`);
    expect(wrong).not.toBe(request);
    for (const body of ['', '{', '{}', '[]', 'null', wrong, request.slice(0, -1), ' '.repeat(2_000_000)]) {
      expect((await expectSame(rekord(body)))[0]).toMatch(/ 4\d\d /);
    }
    for (const type of ['', 'text/plain', 'application/json; charset=utf-8', 'application/cose'])
      await expectSame(rekord(request, { 'Content-Type': type }));
    await expectSame(rekord(request, { 'Content-Encoding': 'gzip' }));
    await expectSame(rekord(request, { Authorization: 'Bearer x' }));
    for (const headers of BAD_HEADERS) await expectSame(rekord(request, headers));
    for (const path of [
      '/api/v2/log/entries/',
      '/api/v2/log/entries?x=y',
      '/api/v2/log/%65ntries',
      '/api/v2/LOG/entries',
    ])
      await expectSame({ ...rekord(request), path });
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])
      await expectSame({ method, path: '/api/v2/log/entries' });
  });

  it('seals a batch while the last one is signed and checkpoints are read', async () => {
    const writer = async () => {
      for (let i = 0; i < 12; i += 1) {
        const [status] = await answerOf('hot', post(sign()));
        expect(status).toBe('HTTP/1.1 201 Created');
        const [read] = await answerOf('hot', { method: 'GET', path: '/log/checkpoint' });
        expect(read).toBe('HTTP/1.1 200 OK');
      }
    };
    await Promise.all(Array.from({ length: 12 }, writer));
  });

  it('reads a body in chunks, and gives up on one without end', async () => {
    const chunked = (bytes: Uint8Array) =>
      Buffer.concat([
        ...Array.from({ length: Math.ceil(bytes.length / 100) }, (_, i) => bytes.subarray(i * 100, i * 100 + 100)).map(
          (part) => Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
        ),
        Buffer.from('0\r\n\r\n'),
      ]);
    const wire = {
      method: 'POST',
      path: '/entries',
      headers: { 'Content-Type': 'application/cose', 'Transfer-Encoding': 'chunked' },
    };
    const [status] = await expectSame({ ...wire, body: chunked(logged) });
    expect(status).toBe('HTTP/1.1 201 Created');
    for (const road of ['hot', 'framework'] as const) {
      const { head } = await ask(road, { ...wire, body: chunked(new Uint8Array(1_100_000)) });
      expect(text(head)).toMatch(/^$| 413 /);
    }
  });
});
