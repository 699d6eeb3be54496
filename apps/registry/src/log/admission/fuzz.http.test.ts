import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parseStatement } from '@margo-trust/statement';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestHashedRekord, signSomeArtifact } from '../../../../../test/artifact.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../../test/pki.ts';
import {
  flawOfAnswer,
  mutate,
  seededRandom,
  send,
  sendMeasured,
  type Answer,
  type Call,
} from '../../../../../test/probe.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';

/** Calls in all. `FUZZ=1000000` for a long run, `FUZZ_SEED` for another one. */
const RUNS = Number(process.env['FUZZ'] ?? 5_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const LONG = RUNS * 20 + 120_000;

const PIECES = ['0', '1', '000', '001', 'x001', 'x999', '255', '256', '18446744073709551616', '-1', '.p', 'p', ''];
const GLYPHS = ['/', '.', '%2f', '%00', '%ff', '%', '?', '&', '=', '+', ' ', '"', "'", '\\', ':', '@', '~', 'é'];
const piece = fc.oneof(fc.constantFrom(...PIECES, ...GLYPHS), fc.string({ maxLength: 6 }));
/** As it may go onto the wire: no byte that node refuses to send. */
const text = fc
  .array(piece, { maxLength: 9 })
  .map((parts) => parts.join('').replace(/[^\x21-\x7e]/g, (glyph) => encodeURIComponent(glyph)));

describe('the log under any input', () => {
  let registry: TestRegistry;
  let statement: Uint8Array;
  let rekor: Uint8Array;
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);

  beforeAll(async () => {
    process.on('unhandledRejection', note);
    registry = await startTestRegistry();
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    statement = signSomeArtifact(`https://${id}.vendors.registry.localhost/`, key, chain);
    rekor = Buffer.from(requestHashedRekord(key, chain));
    for (const [path, type, body] of [
      ['/entries', 'application/cose', statement],
      ['/api/v2/log/entries', 'application/json', rekor],
    ] as const) {
      const answer = await send(registry, { method: 'POST', path, headers: { 'content-type': type }, body });
      expect(answer.status, 'unharmed it is admitted').toBe(201);
    }
  });
  afterAll(async () => {
    process.off('unhandledRejection', note);
    await registry?.close();
  });

  /** Sends all, one by one, and lists what is wrong: nothing may be answered with 5xx, cost too much, or break a promise. */
  async function flaws(calls: readonly Call[], judge: (call: Call, answer: Answer) => string | undefined) {
    const found: string[] = [];
    for (const made of calls) {
      const { answer, flaw: cost } = await sendMeasured(registry, made);
      for (const flaw of [judge(made, answer), cost]) {
        if (flaw !== undefined) found.push(`${made.method} ${made.path} ${toHex(made.body)}: ${flaw}`);
      }
    }
    expect(registry.logged.filter(({ level }) => Number(level) >= 50).map(({ msg }) => msg)).toEqual([]);
    expect(unhandled).toEqual([]);
    return found;
  }

  const size = async () => ((await call(registry, 'get', '/api/v1/log')).body as { size: string }).size;
  const seeds = (count: number) => Array.from({ length: Math.ceil(count) }, (_, n) => SEED * 1_000_003 + n);

  it('answers damaged statements, and logs none of them', { timeout: LONG }, async () => {
    const before = await size();
    const { entryId } = parseStatement(statement);
    const post = (body: Uint8Array): Call => ({
      method: 'POST',
      path: '/entries',
      headers: { 'content-type': 'application/cose' },
      body,
    });
    const calls = seeds(RUNS * 0.4).map((seed) => post(mutate(statement, seededRandom(seed))));
    const judge = (made: Call, answer: Answer) =>
      answer.status === 201 && answer.headers['location'] !== `/entries/${entryId}`
        ? 'another statement was admitted'
        : flawOfAnswer(made, answer);
    expect(await flaws(calls, judge)).toEqual([]);
    expect(await size()).toBe(before);
  });

  it('answers damaged requests of Sigstore tools', { timeout: LONG }, async () => {
    const before = await size();
    const headers = { 'content-type': 'application/json' };
    const calls = seeds(RUNS * 0.2).map((seed): Call => {
      const body = mutate(rekor, seededRandom(seed));
      return { method: 'POST', path: '/api/v2/log/entries', headers, body };
    });
    expect(await flaws(calls, judgeStatus)).toEqual([]);
    expect(await size()).toBe(before);
  });

  it('answers any path of tiles, evidence and entries', { timeout: LONG }, async () => {
    const roots = [
      '/log/tile/',
      '/log/tile/0/',
      '/log/tile/entries/',
      '/log/evidence/',
      '/entries/',
      '/.well-known/scitt-keys/',
    ];
    const paths = fc.sample(fc.tuple(fc.constantFrom(...roots), text), { seed: SEED, numRuns: Math.ceil(RUNS * 0.2) });
    const calls = paths.map(([root, rest]): Call => ({ method: 'GET', path: root + rest }));
    expect(await flaws(calls, judgeStatus)).toEqual([]);
  });

  it('answers any query', { timeout: LONG }, async () => {
    const names = [
      'q',
      'vendor',
      'digest',
      'reference',
      'certificate',
      'subject',
      'type',
      'before',
      'from',
      'since',
      'limit',
    ];
    const parameter = fc
      .tuple(fc.oneof(fc.constantFrom(...names), text), text)
      .map(([name, value]) => `${name}=${value}`);
    const queries = fc.sample(
      fc.tuple(fc.constantFrom('/api/v1/log/entries', '/log/seals'), fc.array(parameter, { maxLength: 4 })),
      {
        seed: SEED,
        numRuns: Math.ceil(RUNS * 0.2),
      },
    );
    const calls = queries.map(([path, parameters]): Call => ({
      method: 'GET',
      path: `${path}?${parameters.join('&')}`,
    }));
    expect(await flaws(calls, flawOfAnswer)).toEqual([]);
  });

  it('keeps nothing of it in memory', { timeout: LONG }, async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const used = () => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return (heapUsed + external) / 1_048_576;
    };
    const storm = (from: number) =>
      flaws(
        seeds(400).map((seed): Call => {
          const body = mutate(statement, seededRandom(seed + from));
          return { method: 'POST', path: '/entries', headers: { 'content-type': 'application/cose' }, body };
        }),
        judgeStatus,
      );
    await storm(7);
    const before = used();
    for (const from of [11, 13, 17]) await storm(from * 1_000);
    expect(used() - before).toBeLessThan(20);
  });
});

function judgeStatus(_: Call, { status, bytes }: Answer): string | undefined {
  return status >= 500 ? `${status} ${bytes.toString().slice(0, 200)}` : undefined;
}

function toHex(body: Call['body']): string {
  return body === undefined ? '' : Buffer.from(body).toString('hex').slice(0, 4_000);
}
