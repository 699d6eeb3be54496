import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  encodeTimestampRequest,
  parseTimestampResponse,
  parseTimestampToken,
  verifyTimestampToken,
} from '@margo-trust/timestamp';
import { openssl } from '@margo-trust/testkit';
import { encodePem, parsePem } from '@margo-trust/x509';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ensurePki } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { FixedClock } from '../../clock.ts';
import { FrontDoor, type Rooms } from '../../http/front-door.ts';
import { Random } from '../../random.ts';
import { CertificateReader } from '../certificate.reader.ts';
import { TIMESTAMP_POLICY } from './issue-timestamp.ts';

const clock = new FixedClock(new Date());
let registry: TestRegistry;
let anchor: Uint8Array;

beforeAll(async () => {
  registry = await startTestRegistry({ clock });
  await ensurePki(registry);
  anchor = (await registry.app.get(CertificateReader).loadAuthority('tsa-ca')).der;
});
afterAll(() => registry?.close());
beforeEach(() => clock.moveTo(new Date()));

const post = (body: Uint8Array, contentType = 'application/timestamp-query') =>
  fetch(`${registry.url}/tsa`, { method: 'POST', headers: { 'content-type': contentType }, body: Buffer.from(body) });

async function stamp(body: Uint8Array): Promise<Uint8Array> {
  const response = await post(body);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/timestamp-reply');
  return new Uint8Array(await response.arrayBuffer());
}

const message = new TextEncoder().encode('what was signed');
const query = (hash: 'SHA-256' | 'SHA-384' | 'SHA-512' = 'SHA-256', more: object = {}) => {
  const imprint = new Uint8Array(createHash(hash.replace('-', '').toLowerCase()).update(message).digest());
  return encodeTimestampRequest({ hash, imprint, certReq: true, ...more });
};

/** What OpenSSL reads in a reply. */
const textOf = (reply: Uint8Array) =>
  openssl(['ts', '-reply', '-in', 'reply.tsr', '-text'], { 'reply.tsr': reply }).output;

describe('a time-stamp', () => {
  it.each(['sha256', 'sha384', 'sha512'])('asked for by openssl over %s verifies in openssl', async (hash) => {
    const asked = openssl(['ts', '-query', '-data', 'data', `-${hash}`, '-cert'], { data: message });
    const reply = await stamp(new Uint8Array(asked.stdout));
    const files = { 'query.tsq': asked.stdout, 'reply.tsr': reply, 'ca.pem': encodePem('CERTIFICATE', anchor) };
    const verified = openssl(
      ['ts', '-verify', '-queryfile', 'query.tsq', '-in', 'reply.tsr', '-CAfile', 'ca.pem'],
      files,
    );
    expect(verified.output).toContain('Verification: OK');
  });

  it('says the time in whole seconds and repeats the nonce', async () => {
    const { token } = parseTimestampResponse(
      await stamp(query('SHA-384', { nonce: 0x1234567890n, policy: TIMESTAMP_POLICY })),
    );
    const { genTime } = verifyTimestampToken(token, message, { anchors: [anchor] });
    expect(genTime.getTime()).toBe(Math.floor(clock.now().getTime() / 1_000) * 1_000);
    const { info } = parseTimestampToken(token);
    expect(info).toMatchObject({ nonce: 0x1234567890n, policy: TIMESTAMP_POLICY, hash: 'SHA-384', accuracySeconds: 3 });
  });

  it('holds one certificate when asked for it, and none otherwise', async () => {
    const tokenOf = async (certReq: boolean) =>
      parseTimestampResponse(await stamp(query('SHA-256', { certReq }))).token;
    expect(parseTimestampToken(await tokenOf(true)).certificates).toHaveLength(1);
    expect(parseTimestampToken(await tokenOf(false)).certificates).toHaveLength(0);
  });

  it('never has the serial number of another', async () => {
    const tokens = await Promise.all(Array.from({ length: 8 }, () => stamp(query())));
    const serials = tokens.map((reply) => parseTimestampToken(parseTimestampResponse(reply).token).info.serial);
    expect(new Set(serials).size).toBe(8);
  });
});

describe('is rejected, in a reply that says why,', () => {
  it.each([
    ['an empty body', new Uint8Array(), 'badDataFormat'],
    ['what is no DER', new Uint8Array(100).fill(0x30), 'badDataFormat'],
    ['a cut query', query().slice(0, -1), 'badDataFormat'],
    ['another policy', query('SHA-256', { policy: '1.2.3.4' }), 'unacceptedPolicy'],
  ])('for %s', async (_what, body, failure) => {
    const words = { badDataFormat: 'data submitted has the wrong format', unacceptedPolicy: 'TSA policy' }[failure]!;
    const text = textOf(await stamp(body));
    expect(text).toContain('Status: Rejected.');
    expect(text).toContain(words);
  });

  it('for SHA-1', async () => {
    const asked = openssl(['ts', '-query', '-data', 'data', '-sha1'], { data: message });
    expect(textOf(await stamp(new Uint8Array(asked.stdout)))).toMatch(/unrecognized or unsupported algorithm/);
  });

  it('for any flipped query, or else granted', async () => {
    const good = query('SHA-256', { nonce: 77n });
    for (let at = 0; at < good.length; at += 2) {
      const flipped = good.slice();
      flipped[at] = flipped[at]! ^ (1 << (at % 8));
      await stamp(flipped);
    }
  });

  it.each([-3_000, 3_000])('when the clock is %i ms off the database', async (offset) => {
    clock.moveTo(new Date(Date.now() + offset));
    expect(textOf(await stamp(query()))).toMatch(/time source is not available/);
  });
});

describe("Sigstore's path", () => {
  const imprint = createHash('sha256').update(message).digest();
  const ask = (body: object) =>
    fetch(`${registry.url}/api/v1/timestamp`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const question = { artifactHash: imprint.toString('base64'), hashAlgorithm: 'sha256' };

  it('takes JSON and answers DER', async () => {
    const response = await ask({ ...question, certificates: true, nonce: 4711, tsaPolicyOID: TIMESTAMP_POLICY });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/timestamp-reply']);
    const { token } = parseTimestampResponse(new Uint8Array(await response.arrayBuffer()));
    verifyTimestampToken(token, message, { anchors: [anchor] });
    expect(parseTimestampToken(token)).toMatchObject({ info: { nonce: 4711n }, certificates: [expect.anything()] });
  });

  it('takes DER as well', async () => {
    const response = await fetch(`${registry.url}/api/v1/timestamp`, {
      method: 'POST',
      headers: { 'content-type': 'application/timestamp-query' },
      body: Buffer.from(query()),
    });
    const { token } = parseTimestampResponse(new Uint8Array(await response.arrayBuffer()));
    verifyTimestampToken(token, message, { anchors: [anchor] });
  });

  it.each([
    ['no digest', { hashAlgorithm: 'sha256' }],
    ['SHA-1', { ...question, hashAlgorithm: 'sha1' }],
    ['a digest of another length', { ...question, hashAlgorithm: 'sha512' }],
    ['a digest that is no base64', { ...question, artifactHash: '%%' }],
    ['a nonce below zero', { ...question, nonce: -1 }],
    ['a nonce that JSON cannot hold', { ...question, nonce: 2 ** 60 }],
    ['certificates that are no yes or no', { ...question, certificates: 'yes' }],
    ['a policy that is none', { ...question, tsaPolicyOID: '1.02' }],
    ['a list', []],
  ])('refuses %s', async (_what, body) => {
    const response = await ask(body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'sigstore/bad-request' });
  });

  it('rejects another policy in a reply', async () => {
    const response = await ask({ ...question, tsaPolicyOID: '1.2.3' });
    expect(textOf(new Uint8Array(await response.arrayBuffer()))).toContain('Status: Rejected.');
  });

  it('shows the chain that stamps verify with', async () => {
    const response = await fetch(`${registry.url}/api/v1/timestamp/certchain`);
    expect(response.headers.get('content-type')).toBe('application/pem-certificate-chain');
    const chain = parsePem('CERTIFICATE', await response.text());
    expect(chain).toHaveLength(2);
    expect(chain[1]).toEqual(anchor);
    const { token } = parseTimestampResponse(await stamp(query('SHA-256', { certReq: false })));
    verifyTimestampToken(token, message, { anchors: [anchor], intermediates: chain });
  });
});

describe('both roads', () => {
  it('answer alike what has no chance in it', async () => {
    const { hotPaths, ...rest } = registry.rooms;
    expect(hotPaths).toBeDefined();
    const servers = await Promise.all([serve(registry.rooms), serve(rest)]);
    try {
      for (const path of ['/tsa', '/api/v1/timestamp']) {
        for (const [type, body] of [
          ['application/timestamp-query', Buffer.of()],
          ['application/timestamp-query', Buffer.from(query('SHA-256', { policy: '1.2.3.4' }))],
          ['application/timestamp-query', Buffer.alloc(4_097)],
          ['application/json', Buffer.from('{}')],
          ['application/json', Buffer.from('{')],
          ['text/plain', Buffer.from('x')],
        ] as const) {
          const [hot, framework] = await Promise.all(servers.map((server) => answerOf(server, path, type, body)));
          expect(hot, `${path} ${type}`).toEqual(framework);
        }
      }
    } finally {
      for (const server of servers) server.close();
    }
  });

  async function serve(rooms: Rooms): Promise<Server> {
    const door = new FrontDoor(registry.config, new SameBytes(), pino({ level: 'silent' }));
    door.open(rooms);
    const server = createServer(door.handle);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  async function answerOf(server: Server, path: string, type: string, body: Buffer) {
    const { port } = server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    });
    const headers = [...response.headers].filter(([name]) => name !== 'date').sort();
    return [response.status, headers, Buffer.from(await response.arrayBuffer()).toString('latin1')];
  }

  /** Every request gets the same name. */
  class SameBytes extends Random {
    bytes(length: number): Uint8Array {
      return new Uint8Array(length).fill(7);
    }
  }
});

describe('HTTP', () => {
  it.each([
    ['a body of another type', () => post(query(), 'application/json'), 415, 'http/unsupported-media-type'],
    ['too long a body', () => post(new Uint8Array(4_097)), 413, 'http/body-too-large'],
    ['GET', () => fetch(`${registry.url}/tsa`), 405, 'http/method-not-allowed'],
  ])('refuses %s', async (_what, send, status, code) => {
    const response = await send();
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await response.json()).toMatchObject({ code });
  });
});
