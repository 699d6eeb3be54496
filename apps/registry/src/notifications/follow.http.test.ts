import { connect, type Socket } from 'node:net';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import type { LogEntry, LogFeedPage } from '@margo-trust/wire';
import request from 'supertest';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { Db } from '../db/db.ts';
import { appendEntries } from '../log/append-entries.ts';
import { LogIdentity } from '../log/log-identity.ts';
import { LogStore, type NewEntry } from '../log/log.store.ts';

interface Heard {
  id: string;
  entry: LogEntry;
}

describe('following the log', () => {
  let registry: TestRegistry;
  const open: (ClientRequest | Socket)[] = [];
  beforeAll(async () => {
    registry = await startTestRegistry({ env: { TRUSTED_PROXIES: '127.0.0.1' } });
  });
  afterEach(() => open.splice(0).forEach((connection) => connection.destroy()));
  afterAll(() => registry?.close());

  let records = 0;
  /** Puts so many entries into the log, in one batch, and returns their subjects. */
  const append = async (count: number, facts: Partial<NewEntry> = {}) => {
    const { app } = registry;
    const entries = Array.from({ length: count }, (): NewEntry => {
      const body = encodeUtf8(`entry ${records}`);
      const subject = `test:${records++}:${'x'.repeat(400)}`;
      const entry = sha256(body);
      return {
        entry,
        body,
        chain: [],
        contentType: 'text/plain',
        issuer: 'https://test',
        subject,
        mentions: [],
        ...facts,
      };
    });
    const { logId } = app.get(LogIdentity);
    await app.get(Db).transaction((tx) => appendEntries(tx, app.get(LogStore), logId, entries, new Date()));
    return entries.map(({ subject }) => subject);
  };
  const size = async () => Number(((await request(registry.url).get('/api/v1/log')).body as { size: string }).size);
  const page = async (query: Record<string, string>) => {
    const answer = await request(registry.url).get('/api/v1/log/follow').query(query);
    expect(answer.status).toBe(200);
    return answer.body as LogFeedPage;
  };

  /** A connection and what came through it. */
  async function follow(query: string, headers: Record<string, string> = {}) {
    const stream = {
      heard: [] as Heard[],
      rest: '',
      status: 0,
      isOver: false,
      response: undefined as IncomingMessage | undefined,
    };
    await new Promise<void>((resolve, reject) => {
      const sent = httpRequest(`${registry.url}/api/v1/log/follow${query}`, {
        headers: { accept: 'text/event-stream', ...headers },
        agent: false,
      });
      open.push(sent);
      sent.on('error', (error) => (stream.status === 0 ? reject(error) : (stream.isOver = true)));
      sent.on('response', (response) => {
        stream.status = response.statusCode ?? 0;
        stream.response = response;
        response.setEncoding('utf8').on('data', (text: string) => {
          const blocks = (stream.rest + text).split('\n\n');
          stream.rest = blocks.pop() ?? '';
          for (const block of blocks) {
            const [, id, data] = /^id: (\d+)\nevent: entry\ndata: (.*)$/.exec(block) ?? [];
            if (id !== undefined && data !== undefined) stream.heard.push({ id, entry: JSON.parse(data) as LogEntry });
          }
        });
        response.on('close', () => (stream.isOver = true));
        response.on('error', () => undefined);
        resolve();
      });
      sent.end();
    });
    return stream;
  }
  const until = async (what: string, condition: () => boolean) => {
    for (let i = 0; i < 200 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(condition(), what).toBe(true);
  };
  const subjects = (heard: readonly Heard[]) => heard.map(({ entry }) => entry.subject);

  it('hears what is new, in order, as soon as it is committed', async () => {
    const stream = await follow('');
    expect(stream.response?.headers['content-type']).toBe('text/event-stream');
    const before = await size();
    const said = [...(await append(3)), ...(await append(2))];
    await until('five entries', () => stream.heard.length >= 5);
    expect(subjects(stream.heard)).toEqual(said);
    expect(stream.heard.map(({ id }) => Number(id))).toEqual([0, 1, 2, 3, 4].map((i) => before + i));
    expect(stream.heard.every(({ id, entry }) => entry.index === id)).toBe(true);
  });

  it('goes on after the last entry heard, by header rather than by address, and leaves none out', async () => {
    const first = await size();
    const said = await append(2_500); // more than is kept in memory
    const begun = await follow(`?after=${first - 1}`);
    await until('all of them', () => begun.heard.length >= said.length);
    expect(subjects(begun.heard)).toEqual(said);

    const again = await follow('?after=0', { 'last-event-id': String(first + 2_490) });
    await until('the last nine', () => again.heard.length >= 9);
    expect(subjects(again.heard)).toEqual(said.slice(-9));
  });

  it('hears of one vendor only, and knows how far it has listened', async () => {
    const vendor = '01jd0000000000000000000000';
    const stream = await follow(`?vendor=https://${vendor}.vendors.registry.localhost/&after=1`);
    await append(3);
    const wanted = await append(1, { vendorId: vendor });
    await append(1);
    await until('one entry', () => stream.heard.length > 0);
    expect(subjects(stream.heard)).toEqual(wanted);
    const { items, after } = await page({ vendor, after: '1' });
    expect(items.map(({ subject }) => subject)).toEqual(wanted);
    expect(Number(after)).toBe((await size()) - 1);
  });

  it.each<[string, Partial<NewEntry>, string]>([
    ['an application', { applicationId: 'nextcloud' }, 'application=nextcloud'],
    ['a digest', { mentions: ['sha256:' + 'a'.repeat(64)] }, `digest=sha256:${'a'.repeat(64)}`],
    ['a certificate', { certificate: new Uint8Array(32).fill(0xbb) }, `certificate=${'b'.repeat(64)}`],
  ])('hears of %s only, live and from the past', async (_what, facts, query) => {
    const live = await follow(`?${query}`);
    await append(1);
    const wanted = await append(2, facts);
    await append(1, { applicationId: 'other', mentions: ['sha256:0'], certificate: new Uint8Array(32) });
    const past = await follow(`?after=0&${query}`);
    await until('two entries', () => live.heard.length >= 2 && past.heard.length >= 2);
    await append(1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([subjects(live.heard), subjects(past.heard)]).toEqual([wanted, wanted]);
  });

  it('gives pages to who only asks now and then', async () => {
    const first = (await page({})).after ?? '';
    const said = await append(450);
    const found: string[] = [];
    for (let after = first, items = [{}] as LogEntry[]; items.length > 0;) {
      const next = await page({ after });
      items = next.items;
      after = next.after ?? after;
      found.push(...items.map(({ subject }) => subject));
      expect(items.length).toBeLessThanOrEqual(200);
    }
    expect(found).toEqual(said);
  });

  it('cannot make others wait by not listening', async () => {
    const first = await size();
    const deaf = connect(Number(new URL(registry.url).port), '127.0.0.1');
    open.push(deaf);
    deaf.pause();
    deaf.write('GET /api/v1/log/follow?after=0 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n');
    const stream = await follow('');
    const memory = process.memoryUsage().arrayBuffers;
    const said = await append(12_000);
    await until('everything', () => stream.heard.length >= said.length);
    expect(stream.heard[0]?.id).toBe(String(first));
    // What the deaf one has not taken stays in the log: nothing is kept for it but what the connection holds.
    expect(process.memoryUsage().arrayBuffers - memory).toBeLessThan(100e6);
  });

  it('is refused beyond 32 connections from one address, and again possible when one has gone', async () => {
    const streams = await Promise.all(Array.from({ length: 32 }, () => follow('')));
    const refused = await follow('');
    expect(refused.status).toBe(429);
    expect(refused.response?.headers['retry-after']).toBe('30');
    open[0]?.destroy();
    await until('the place is free', () => streams[0]!.isOver);
    // Behind a proxy of ours, another caller is another address.
    const other = await follow('', { 'x-forwarded-for': '198.51.100.7' });
    expect(other.status).toBe(200);
    expect((await follow('', { 'x-forwarded-for': '2001:db8::1' })).status).toBe(200);
    let again = await follow('');
    for (let i = 0; i < 20 && again.status === 429; i += 1) again = await follow('');
    expect(again.status).toBe(200);
  });

  it.each(['?after=-1', '?after=x', '?after=1&after=2', '?vendor=%00', '?digest=1', '?certificate=AA', '?what=1'])(
    'refuses %s',
    async (query) => {
      const stream = await follow(query);
      expect(stream.status).toBe(400);
    },
  );

  it('refuses a Last-Event-ID that is none', async () => {
    expect((await follow('', { 'last-event-id': '1 OR 1' })).status).toBe(400);
  });

  it('answers HEAD at once', async () => {
    const answer = await request(registry.url).head('/api/v1/log/follow').set('Accept', 'text/event-stream');
    expect(answer.status).toBe(200);
  });
});
