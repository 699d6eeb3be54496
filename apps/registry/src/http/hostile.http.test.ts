import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { encodeTimestampRequest } from '@margo-trust/timestamp';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  BAD_HEADERS,
  BAD_JSON,
  BAD_SEGMENTS,
  BAD_TILES,
  BAD_VALUES,
  deepCbor,
} from '../../../../test/hostile-input.ts';
import { jsonOperations, operations, spoilt } from '../../../../test/hostile-json.ts';
import { BODIES, COSE, FULCIO, HostileWorld, REKOR, TSQ, UNDOCUMENTED } from '../../../../test/hostile-world.ts';
import {
  type Answer,
  type Call,
  flawOfAnswer,
  flawOfRefusal,
  mutate,
  routesOf,
  seededRandom,
  sendMeasured,
} from '../../../../test/probe.ts';

const RUNS = Number(process.env['FUZZ'] ?? 3_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);

describe('hostile input over HTTP', () => {
  let world: HostileWorld;
  beforeAll(async () => {
    world = await HostileWorld.start();
  });
  afterAll(() => world?.close());
  afterEach(() => world.expectUnharmed());

  it('covers every route there is, and has a body for every class', () => {
    const documented = operations.map(({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`);
    expect(routesOf(world.registry).sort()).toEqual([...documented, ...UNDOCUMENTED].sort());
    expect(Object.keys(BODIES).sort()).toEqual([...new Set(jsonOperations.map(({ body }) => body))].sort());
  });

  it.each(jsonOperations)('$method $path refuses whatever is not its JSON', async (operation) => {
    const call = world.callOf(operation);
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
    expect(await world.flaws(calls, flawOfRefusal)).toEqual([]);
  });

  it.each(jsonOperations)('$method $path refuses a wrong value of every member', async (operation) => {
    const call = world.callOf(operation);
    const calls = [...spoilt(operation.body ?? '', BODIES[operation.body ?? ''] ?? {})];
    expect(calls.length).toBeGreaterThan(5);
    expect(
      await world.flaws(
        calls.map(([name, body]) => [name, { ...call, body }]),
        flawOfRefusal,
      ),
    ).toEqual([]);
  });

  it('refuses hostile parameters of paths', async () => {
    const calls = operations
      .filter(({ path }) => path.includes('{'))
      .flatMap((operation) =>
        BAD_SEGMENTS.map((segment): [string, Call] => ['bad segment', world.callOf(operation, segment)]),
      );
    expect(await world.flaws(calls, flawOfRefusal)).toEqual([]);
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
    expect(await world.flaws(calls, flawOfRefusal)).toEqual([]);
  });

  it('survives hostile queries', async () => {
    const calls = operations.flatMap(({ method, path, query }) =>
      query.flatMap((name) => [
        ...BAD_VALUES.flatMap((value): [string, Call][] => [
          [name, { method, path: `${world.fill(path)}?${name}=${value}` }],
          [name, { method, path: `${world.fill(path)}?${name}[]=${value}` }],
          [name, { method, path: `${world.fill(path)}?${name}=1&${name}=${value}` }],
        ]),
        ['__proto__', { method, path: `${world.fill(path)}?__proto__[${name}]=1&constructor=1` }] as [string, Call],
        ['many', { method, path: `${world.fill(path)}?${`${name}=1&`.repeat(700)}` }] as [string, Call],
      ]),
    );
    expect(await world.flaws(calls, flawOfAnswer)).toEqual([]);
  });

  it('survives hostile headers on every route', async () => {
    const calls = [...operations.map((operation) => world.callOf(operation)), ...world.undocumentedCalls()].flatMap(
      (call) =>
        BAD_HEADERS.map((headers): [string, Call] => [
          Object.keys(headers).join(),
          // Without its body, so that nothing is accepted where the header does no harm.
          { method: call.method, path: call.path, headers: { ...call.headers, ...headers } },
        ]),
    );
    expect(await world.flaws(calls, judgeByMethod)).toEqual([]);
  });

  it('refuses every other method', async () => {
    const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'SEARCH', 'PURGE'];
    const known = new Set(operations.map(({ method, path }) => `${method} ${world.fill(path)}`));
    for (const { method, path } of world.undocumentedCalls()) known.add(`${method} ${path}`);
    const paths = [...new Set([...known].map((route) => route.slice(route.indexOf(' ') + 1)))];
    const calls = paths.flatMap((path) =>
      methods
        .filter((method) => !known.has(`${method} ${path}`))
        .map((method): [string, Call] => ['', { method, path }]),
    );
    expect(await world.flaws(calls, flawOfRefusal)).toEqual([]);
    const gentle = paths.flatMap((path) => ['HEAD', 'OPTIONS'].map((method): [string, Call] => ['', { method, path }]));
    expect(await world.flaws(gentle, flawOfAnswer)).toEqual([]);
  });

  it('takes all of it unharmed', async () => {
    const applied = operations.filter(({ body, path }) => body !== undefined && !isTakenBack(path));
    const takenBack = operations.filter(({ path }) => isTakenBack(path));
    for (const operation of [...applied, ...takenBack]) {
      const answer = await world.ask(world.callOf(operation));
      const isDecided = operation.method === 'POST' && !operation.path.endsWith('/preview');
      expect([operation.path, answer.status]).toEqual([operation.path, isDecided ? 201 : 200]);
    }
    await world.settle();
  });

  it('goes on when callers hang up in the middle, or do not speak HTTP', async () => {
    const { hostname, port } = new URL(world.registry.url);
    const beginnings = [
      ...[
        ...operations.map((operation) => world.callOf(operation)),
        { method: 'POST', path: '/entries', headers: COSE },
      ].map(
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
    expect((await world.ask({ method: 'GET', path: '/readyz' })).status).toBe(200);
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
      for (const body of [
        deepCbor(1_000_000),
        Buffer.alloc(1_048_577),
        mutate(world.things.statement, seededRandom(9)),
      ]) {
        await world.ask({ method: 'POST', path: '/entries', headers: COSE, body });
      }
      for (const body of [BAD_JSON['many members']!, BAD_JSON['one byte too many']!]) {
        await world.ask({ ...world.callOf(jsonOperations[0]!), body });
      }
      await world.ask({ method: 'GET', path: `/${randomBytes(2_000).toString('hex')}` });
      await world.ask({ method: 'GET', path: `/tuf/${randomBytes(2_000).toString('hex')}` });
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
      ...operations.map((operation): [Call, string[]] => [world.callOf(operation), operation.query]),
      ...world.undocumentedCalls().map((call): [Call, string[]] => [call, ['from', 'to', 'limit', 'since']]),
      ...publishedCalls().map((call): [Call, string[]] => [call, []]),
      [{ method: 'POST', path: '/entries', headers: COSE, body: world.things.statement }, []],
      [{ ...REKOR, body: world.things.rekorRequest }, []],
      [{ ...FULCIO, body: JSON.stringify({ certificateSigningRequest: 'eA==' }) }, []],
      [{ method: 'POST', path: '/tsa', headers: TSQ, body: timestampQuery() }, []],
    ];
    const found: string[] = [];
    for (let n = 0; n < RUNS && found.length < 20; n += 1) {
      const [call, query] = routes[n % routes.length]!;
      const harmed = damage(call, query, below);
      const { answer, flaw: cost } = await sendMeasured(world.registry, harmed);
      const isStamp = call.path === '/tsa' && answer.status === 200;
      const isNotOurs = answer.status === 431; // Node.js itself, for lines and headers of more than 16 kB
      for (const flaw of [isStamp || isNotOurs ? undefined : flawOfAnswer(harmed, answer), cost]) {
        if (flaw !== undefined) found.push(`${JSON.stringify(printable(harmed))}: ${flaw}`);
      }
    }
    process.off('unhandledRejection', note);
    expect(found).toEqual([]);
    expect(unhandled).toEqual([]);
    await world.settle(); // damage to what nobody reads does no harm, and is taken
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
        const bearer = pick([
          authorization ?? '',
          world.things.bearers.vendor,
          world.things.bearers.governance,
          `${world.things.bearers.vendor}x`,
          'Bearer ',
        ]);
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
});

/** What is done by POST and undone by DELETE. */
function isTakenBack(path: string): boolean {
  return /\/(?:suspension|restriction)$/.test(path);
}

/** Reads may succeed; whatever would change something must not, for want of a body. */
function judgeByMethod(call: Call, answer: Answer): string | undefined {
  return call.method === 'GET' ? flawOfAnswer(call, answer) : flawOfRefusal(call, answer);
}

function timestampQuery(): Uint8Array {
  return encodeTimestampRequest({ hash: 'SHA-256', imprint: randomBytes(32), nonce: 7n, certReq: true });
}

/** For a failed test's output: enough to send it again. */
function printable({ method, path, headers: { authorization, ...headers } = {}, body }: Call): object {
  const call = { method, path, headers, isSignedIn: authorization !== undefined };
  return body === undefined ? call : { ...call, body: Buffer.from(body).toString('base64').slice(0, 2_000) };
}

function lines(headers: Record<string, string>): string {
  return Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}
