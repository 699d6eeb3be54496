/**
 * The log's files in a bucket of an S3 server that we did not write, read from there by Go's own transparency log packages: the
 * store refuses to overwrite, and what lies in it is a whole log at every checkpoint, also when the server died in between.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { AwsClient } from 'aws4fetch';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { S3TileStore } from '../../apps/registry/src/log/tiles/s3-tile-store.ts';
import { TileConflict } from '../../apps/registry/src/log/tiles/tile-store.ts';
import { noteSeen } from './seen.ts';
import { freePort, startProgram, startService, stopProgram, type Service } from '../service.ts';
import { readTileLog } from '../tile-reader.ts';
import { registerMany, statementsOf } from '../vendor-statements.ts';
import { client, must, temporaryDirectory, waitUntil } from './harness.ts';

const ACCESS = { accessKey: 'interop', secretKey: 'interop-secret' };
const BUCKET = 'margo-log';

let scratch: string;
let port: number;
let gateway: ChildProcess;
let endpoint: string;

beforeAll(async () => {
  scratch = await temporaryDirectory();
  await mkdir(join(scratch, 'buckets'));
  port = await freePort();
  endpoint = `http://127.0.0.1:${port}`;
  await startGateway();
  const admin = new AwsClient({ accessKeyId: ACCESS.accessKey, secretAccessKey: ACCESS.secretKey, service: 's3' });
  expect((await admin.fetch(`${endpoint}/${BUCKET}`, { method: 'PUT' })).status).toBe(200);
});

afterAll(async () => {
  if (gateway) await stopProgram(gateway);
  await rm(scratch, { recursive: true, force: true });
});

/** versitygw keeps each object as a file, which is how the tests look behind it. */
async function startGateway(): Promise<void> {
  gateway = startProgram(client('versitygw'), ['--port', `127.0.0.1:${port}`, 'posix', join(scratch, 'buckets')], {
    ROOT_ACCESS_KEY: ACCESS.accessKey,
    ROOT_SECRET_KEY: ACCESS.secretKey,
  });
  gateway.stdout?.resume();
  gateway.stderr?.resume();
  await waitUntil('versitygw answers', async () => (await fetch(endpoint).catch(() => undefined)) !== undefined);
}

beforeEach(() => noteSeen('versitygw'));

describe('a bucket of versitygw', () => {
  const open = (prefix: string) => new S3TileStore({ endpoint, bucket: BUCKET, region: 'us-east-1', prefix }, ACCESS);
  const file = (path: string, text: string) => ({ path, bytes: new TextEncoder().encode(text) });
  const text = async (store: S3TileStore, path: string) => {
    const kept = await store.read(path);
    return kept && new TextDecoder().decode(kept.bytes);
  };

  it('passes the self-test', async () => {
    await open('prove/').prove();
  });

  it('keeps what is there, takes the same again, and refuses other bytes', async () => {
    const store = open('create/');
    await store.create([file('tile/0/000', 'a')]);
    await store.create([file('tile/0/000', 'a')]);
    await expect(store.create([file('tile/0/000', 'b')])).rejects.toThrow(TileConflict);
    expect(await text(store, 'tile/0/000')).toBe('a');
  });

  it('has one winner among sixteen writers of each of twenty keys', async () => {
    for (let key = 0; key < 20; key += 1) {
      const writers = Array.from({ length: 16 }, (_, i) =>
        open('race/').create([file(`tile/0/${key}`, `writer ${i}`)]),
      );
      const outcomes = await Promise.allSettled(writers);
      const won = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [`writer ${i}`] : []));
      expect(won).toEqual([await text(open('race/'), `tile/0/${key}`)]);
    }
  });

  it('lets no late checkpoint overwrite its successor', async () => {
    const store = open('late/');
    await store.replace(file('checkpoint', '1'), undefined);
    const first = await store.read('checkpoint');
    await store.replace(file('checkpoint', '3'), first);
    await expect(store.replace(file('checkpoint', '2'), first)).rejects.toThrow(TileConflict);
    await expect(store.replace(file('checkpoint', '2'), undefined)).rejects.toThrow(TileConflict);
    expect(await text(store, 'checkpoint')).toBe('3');
  });

  it('forgets a folder of partial tiles, and nothing beside it', async () => {
    const store = open('prune/');
    const partial = Array.from({ length: 255 }, (_, i) => file(`tile/0/000.p/${i + 1}`, 'x'));
    await store.create([...partial, file('tile/0/000', 'full'), file('tile/0/001.p/1', 'y')]);
    await store.removeFolder('tile/0/000.p');
    expect(
      await Promise.all(['tile/0/000.p/1', 'tile/0/000', 'tile/0/001.p/1'].map((path) => text(store, path))),
    ).toEqual([undefined, 'full', 'y']);
  });
});

describe('the service with its log in a bucket', () => {
  let service: Service;
  let mirror: Server;
  let key: string;
  const read = (path: string) =>
    readFile(join(scratch, 'buckets', BUCKET, 'live', path)).catch((): undefined => undefined);

  beforeAll(async () => {
    service = await startService({
      env: {
        TILE_STORE: 's3',
        S3_ENDPOINT: endpoint,
        S3_BUCKET: BUCKET,
        S3_PREFIX: 'live',
        S3_ACCESS_KEY: ACCESS.accessKey,
        S3_SECRET_KEY: ACCESS.secretKey,
      },
    });
    key = ((await (await fetch(`${service.url}/log/log.json`)).json()) as { checkpointKey: string }).checkpointKey;
    mirror = createServer((request, response) => {
      void read(request.url ?? '').then((bytes) => response.writeHead(bytes ? 200 : 404).end(bytes));
    }).listen(0, '127.0.0.1');
  });
  afterAll(async () => {
    mirror?.close();
    await service?.stop();
  });

  const register = async (count: number) => registerMany(service.url, await statementsOf(service.dataDir), count, 16);
  const size = async () => Number(((await (await fetch(`${service.url}/api/v1/log`)).json()) as { size: string }).size);
  const storedSize = async () => Number((await read('checkpoint'))?.toString().split('\n')[1] ?? 0);
  const caughtUp = () => waitUntil('the bucket has caught up', async () => (await storedSize()) >= (await size()), 60);

  it('is the same log to Go, read from the bucket alone', async () => {
    await register(700);
    await caughtUp();
    const address = `http://127.0.0.1:${(mirror.address() as AddressInfo).port}`;
    const { stdout } = await must(client('go-checker'), [address, key]);
    expect((JSON.parse(stdout) as { size: number }).size).toBe(await size());
  });

  it('takes registrations while the store is dead, says so, and catches up', async () => {
    const before = await storedSize();
    gateway.kill('SIGKILL');
    await register(300);
    const health = async () => fetch(`${service.url}/readyz`);
    await waitUntil('readyz says so', async () => (await health()).status === 503, 60);
    expect(await (await health()).json()).toMatchObject({ failures: { 'tile store': expect.any(String) } });
    expect((await readTileLog(read, key)).size).toBe(before);

    await startGateway();
    await caughtUp();
    expect((await readTileLog(read, key)).size).toBe(await size());
    await waitUntil('all is well again', async () => (await health()).status === 200);
  });
});
