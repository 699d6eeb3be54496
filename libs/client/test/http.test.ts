import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download } from '@margo-trust/client';
import {
  breakOff,
  drip,
  flood,
  HostileServer,
  redirect,
  silence,
  status,
  type Misbehaviour,
} from './hostile-server.ts';

describe('download', () => {
  const server = new HostileServer();
  beforeAll(() => server.listen());
  afterAll(() => server.close());

  const fetchPath = (path: string, limits = { maxBytes: 1000, timeoutSeconds: 0.5 }) =>
    download(new URL(path, server.url), limits);

  it('gives the body, up to the limit exactly', async () => {
    server.files = new Map([['file', Buffer.alloc(1000, 1)]]);
    expect(await fetchPath('file')).toEqual(new Uint8Array(1000).fill(1));
  });

  it('gives nothing for a 404', async () => {
    expect(await fetchPath('nothing')).toBeUndefined();
  });

  it.each<{ what: string; code: string; misbehaviour: Misbehaviour }>([
    { what: 'points elsewhere', code: 'client/redirect', misbehaviour: redirect },
    { what: 'answers 500', code: 'client/bad-status', misbehaviour: status(500) },
    { what: 'answers 403', code: 'client/bad-status', misbehaviour: status(403) },
    { what: 'answers 204', code: 'client/bad-status', misbehaviour: status(204) },
    { what: 'says nothing', code: 'client/timeout', misbehaviour: silence },
    { what: 'drips', code: 'client/timeout', misbehaviour: drip },
    { what: 'never stops', code: 'client/too-large', misbehaviour: flood },
    { what: 'breaks off', code: 'client/unreachable', misbehaviour: breakOff },
    {
      what: 'hides a large body in a small one',
      code: 'client/too-large',
      misbehaviour: (response) =>
        response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(5_000_000))),
    },
  ])('faults when the server $what', async ({ code, misbehaviour }) => {
    server.misbehaviours.set('bad', misbehaviour);
    await expect(fetchPath('bad')).rejects.toMatchObject({ code });
  });

  it('faults when nobody listens', async () => {
    const other = new HostileServer();
    const url = await other.listen();
    await other.close();
    await expect(download(new URL(url), { maxBytes: 1, timeoutSeconds: 5 })).rejects.toMatchObject({
      code: 'client/unreachable',
    });
  });

  it('ends when it is told to', async () => {
    server.misbehaviours.set('silent', silence);
    const signal = AbortSignal.timeout(20);
    await expect(
      download(new URL('silent', server.url), { maxBytes: 1, timeoutSeconds: 60, signal }),
    ).rejects.toMatchObject({ code: 'client/timeout' });
  });
});
