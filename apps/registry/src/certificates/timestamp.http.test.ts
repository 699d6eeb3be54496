import { createHash } from 'node:crypto';
import {
  encodeTimestampRequest,
  parseTimestampResponse,
  parseTimestampToken,
  verifyTimestampToken,
} from '@margo-trust/timestamp';
import { openssl } from '@margo-trust/testkit';
import { encodePem } from '@margo-trust/x509';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ensurePki } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { FixedClock } from '../clock.ts';
import { CertificateReader } from './certificate.reader.ts';
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
    expect(info).toMatchObject({ nonce: 0x1234567890n, policy: TIMESTAMP_POLICY, hash: 'SHA-384' });
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

  // Last: from here on this process has given a stamp of a second that is still to come.
  it('when the clock steps back behind the last stamp', async () => {
    const now = new Date();
    clock.moveTo(new Date(now.getTime() + 1_200));
    parseTimestampResponse(await stamp(query()));
    clock.moveTo(new Date(now.getTime() - 200));
    expect(textOf(await stamp(query()))).toMatch(/time source is not available/);
  });
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
