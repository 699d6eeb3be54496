import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { Server } from 'node:http';
import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { EMPTY_ROOT, hashChildren, hashLeaf, type Hash } from '@margo-trust/merkle';
import {
  ED25519_NOTE,
  encodeAddCheckpoint,
  encodeCheckpoint,
  encodeNote,
  encodeSignSubtree,
  encodeVerifierKey,
  parseCheckpoint,
  parseCosignature,
  parseNote,
  parseSignatureLines,
  subtreeToBeSigned,
  verifierKeyId,
  verifyNote,
} from '@margo-trust/tlog';
import { openCosigner } from './cosigner.ts';
import { createWitnessServer } from './serve-witness.ts';
import { nameOf, WitnessDirectory } from './witness-directory.ts';

const ORIGIN = 'log.example';
const log = makeLog(ORIGIN);
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((text) => hashLeaf(Buffer.from(text))) as [Hash, Hash, Hash, Hash];
const [ab, cd, cc] = [hashChildren(a, b), hashChildren(c, d), hashChildren(c, c)];
const ROOTS = [EMPTY_ROOT, a, ab, hashChildren(ab, c), hashChildren(ab, cd)];
const NOW = new Date('2026-11-01T00:00:00Z');

const parent = mkdtempSync(join(tmpdir(), 'margo-witness-'));
afterAll(() => rmSync(parent, { recursive: true }));

let directory: WitnessDirectory;
let path: string;
let server: Server;
let url: string;
let afterKeep: () => Promise<void> | void;
const reported: string[] = [];

beforeEach(async () => {
  path = mkdtempSync(join(parent, 'w-'));
  directory = await WitnessDirectory.create(join(path, 'state'), 'witness.example/w1');
  path = join(path, 'state');
  await directory.addLog(log.vkey);
  afterKeep = () => undefined;
  await start();
});
afterEach(() => stop());

describe('a witness', () => {
  it('cosigns the first tree and every one that continues it', async () => {
    const first = await add({ oldSize: 0n, path: [], checkpoint: checkpoint(2) });
    expect(first.status).toBe(200);
    expect(first.type).toBe('text/plain; charset=utf-8');
    const second = await add({ oldSize: 2n, path: [cd], checkpoint: checkpoint(4) });
    expect(second.status).toBe(200);

    const { text } = parseNote(checkpoint(4));
    const signatures = parseSignatureLines(second.body);
    const keys = directory.cosigners.map(({ key }) => key);
    expect(keys.map(({ type }) => type)).toEqual([4, 6]);
    expect(verifyNote({ text, signatures }, keys, verifyMlDsa44)).toEqual(keys);
    for (const { signature } of signatures) {
      expect(parseCosignature(signature).seconds).toBe(BigInt(NOW.getTime() / 1000));
    }

    const stored = await get(`/${nameOf(ORIGIN)}/checkpoint`);
    expect(stored.status).toBe(200);
    expect(parseNote(stored.body).signatures).toEqual([...parseNote(checkpoint(4)).signatures, ...signatures]);
  });

  /** After two leaves were cosigned. */
  const CASES: [string, number, () => Uint8Array | string][] = [
    ['nothing', 400, () => ''],
    ['a body without checkpoint', 400, () => 'old 2\n\n'],
    ['an old size above the new', 400, () => encode(4n, [], checkpoint(2))],
    ['another log', 404, () => encode(0n, [], checkpoint(2, ab, makeLog('other.example')))],
    ['another key of the same name', 403, () => encode(2n, [cd], checkpoint(4, ROOTS[4], makeLog(ORIGIN)))],
    ['a wrong signature', 403, () => encode(2n, [cd], tampered(checkpoint(4)))],
    ['an old size of before', 409, () => encode(1n, [], checkpoint(4))],
    ['no old size', 409, () => encode(0n, [], checkpoint(4))],
    ['a rollback', 409, () => encode(1n, [], checkpoint(1))],
    ['another tree of the same size', 422, () => encode(2n, [], checkpoint(2, cd))],
    ['a fork', 422, () => encode(2n, [cc], checkpoint(4, hashChildren(cd, cc)))],
    ['a tree without its proof', 422, () => encode(2n, [], checkpoint(4))],
    ['a tree with a proof of another', 422, () => encode(2n, [cc], checkpoint(4))],
    ['half a megabyte', 413, () => 'x'.repeat(600_000)],
    ['the same tree again', 200, () => encode(2n, [], checkpoint(2))],
    ['what continues it', 200, () => encode(2n, [cd], checkpoint(4))],
  ];
  it.each(CASES)('given %s answers %i', async (_, status, body) => {
    await add({ oldSize: 0n, path: [], checkpoint: checkpoint(2) });
    const before = await get(`/${nameOf(ORIGIN)}/checkpoint`);
    const answer = await post('/add-checkpoint', body());
    expect(answer.status).toBe(status);
    if (status === 200) return;
    expect(Buffer.from(answer.body).toString()).not.toContain('\u2014');
    expect((await get(`/${nameOf(ORIGIN)}/checkpoint`)).body).toEqual(before.body);
    if (status !== 409) return;
    expect(answer.type).toBe('text/x.tlog.size');
    expect(Buffer.from(answer.body).toString()).toBe('2\n');
  });

  it('answers 0 as size to a log of which it has cosigned nothing', async () => {
    const answer = await add({ oldSize: 2n, path: [cd], checkpoint: checkpoint(4) });
    expect([answer.status, Buffer.from(answer.body).toString()]).toEqual([409, '0\n']);
    expect((await get(`/${nameOf(ORIGIN)}/checkpoint`)).status).toBe(404);
    expect((await add({ oldSize: 0n, path: [], checkpoint: checkpoint(0) })).status).toBe(200);
    expect((await add({ oldSize: 0n, path: [], checkpoint: checkpoint(1) })).status).toBe(200);
  });

  it('knows its paths and methods', async () => {
    expect(Buffer.from((await get('/')).body).toString()).toContain(directory.cosigners[0]?.vkey);
    expect((await get('/nothing')).status).toBe(404);
    expect((await get(`/${nameOf(ORIGIN).toUpperCase()}/checkpoint`)).status).toBe(404);
    expect((await get(`/${'../'.repeat(5)}etc/passwd`)).status).toBe(404);
    expect((await get('/add-checkpoint')).status).toBe(405);
    expect((await post('/', '')).status).toBe(405);
  });

  it('cosigns a part of a tree that it has cosigned, without a time', async () => {
    await add({ oldSize: 0n, path: [], checkpoint: checkpoint(4) });
    const stored = (await get(`/${nameOf(ORIGIN)}/checkpoint`)).body;
    const ask = (change: object) =>
      post(
        '/sign-subtree',
        encodeSignSubtree({ start: 2n, end: 4n, hash: cd, path: [ab], checkpoint: stored, ...change }),
      );
    const answer = await ask({});
    expect(answer.status).toBe(200);
    const [line, ...others] = parseSignatureLines(answer.body);
    expect(others).toEqual([]);
    const { seconds, signature } = parseCosignature(line!.signature);
    expect(seconds).toBe(0n);
    const { key } = directory.cosigners[1]!;
    const message = subtreeToBeSigned(key.name, 0n, { origin: ORIGIN, start: 2n, end: 4n, hash: cd });
    verifyMlDsa44(key.publicKey, message, signature);

    expect((await ask({ start: 1n })).status).toBe(400);
    expect((await ask({ hash: ab })).status).toBe(422);
    expect((await ask({ checkpoint: checkpoint(4) })).status).toBe(403);
    expect((await ask({ checkpoint: checkpoint(4, ROOTS[4], makeLog('x.example')) })).status).toBe(404);
  });

  it('grants one of many requests at once that would fork the log', async () => {
    await add({ oldSize: 0n, path: [], checkpoint: checkpoint(2) });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => {
        const right = i % 2 === 0 ? cd : cc;
        return add({ oldSize: 2n, path: [right], checkpoint: checkpoint(4, hashChildren(ab, right)) });
      }),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 409)).toHaveLength(19);
    expect(parseCheckpoint(parseNote((await get(`/${nameOf(ORIGIN)}/checkpoint`)).body).text).size).toBe(4n);
  });

  it('remembers, after a crash between keeping and answering, what it must not contradict', async () => {
    await add({ oldSize: 0n, path: [], checkpoint: checkpoint(2) });
    afterKeep = () => {
      throw new Error('crash');
    };
    expect((await add({ oldSize: 2n, path: [cd], checkpoint: checkpoint(4) })).status).toBe(500);
    await restart();
    const fork = checkpoint(4, hashChildren(ab, cc));
    const first = await add({ oldSize: 2n, path: [cc], checkpoint: fork });
    expect([first.status, Buffer.from(first.body).toString()]).toEqual([409, '4\n']);
    expect((await add({ oldSize: 4n, path: [], checkpoint: fork })).status).toBe(422);
    expect((await add({ oldSize: 4n, path: [], checkpoint: checkpoint(4) })).status).toBe(200);
  });

  it('cosigns nothing when it cannot keep it', async () => {
    await add({ oldSize: 0n, path: [], checkpoint: checkpoint(2) });
    const checkpoints = join(path, 'checkpoints');
    const stored = readFileSync(join(checkpoints, nameOf(ORIGIN)));
    rmSync(checkpoints, { recursive: true });
    writeFileSync(checkpoints, 'not a directory');
    expect((await add({ oldSize: 2n, path: [cd], checkpoint: checkpoint(4) })).status).not.toBe(200);
    const first = await add({ oldSize: 0n, path: [], checkpoint: checkpoint(4) });
    expect(first.status).toBe(500);
    expect(Buffer.from(first.body).toString()).not.toContain('\u2014');
    expect(stored.length).toBeGreaterThan(0);
  });

  it('cosigns nothing more for a log whose stored checkpoint is damaged', async () => {
    await add({ oldSize: 0n, path: [], checkpoint: checkpoint(2) });
    const file = join(path, 'checkpoints', nameOf(ORIGIN));
    const note = parseNote(readFileSync(file));
    writeFileSync(file, encodeNote({ ...note, text: note.text.replace('\n2\n', '\n1\n') }));
    expect((await add({ oldSize: 1n, path: [], checkpoint: checkpoint(2) })).status).toBe(500);
    expect(reported.at(-1)).toContain('damaged');
  });

  it('notices a log that is added while it runs', async () => {
    const other = makeLog('other.example');
    const request = { oldSize: 0n, path: [], checkpoint: checkpoint(2, ab, other) };
    expect((await add(request)).status).toBe(404);
    await (await WitnessDirectory.open(path)).addLog(other.vkey);
    expect((await add(request)).status).toBe(200);
  });
});

describe('the directory of a witness', () => {
  it('belongs to one process at a time, and to the next after a kill', async () => {
    const lock = await directory.lock();
    await expect((await WitnessDirectory.open(path)).lock()).rejects.toThrow(/Another witness runs/);
    await lock.close();
    const again = await directory.lock();
    await again.close();
    // A kill leaves the socket without anyone who listens.
    const { spawnSync } = await import('node:child_process');
    const script = `require('net').createServer().listen(${JSON.stringify(join(path, 'lock'))}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(existsSync(join(path, 'lock'))).toBe(true);
    await (await directory.lock()).close();
  });

  it('keeps its keys to itself and never makes them anew', async () => {
    expect(statSync(join(path, 'keys')).mode & 0o777).toBe(0o600);
    await expect(WitnessDirectory.create(path, 'w')).rejects.toThrow(/exists already/);
    const again = await WitnessDirectory.open(path);
    expect(again.cosigners.map(({ vkey }) => vkey)).toEqual(directory.cosigners.map(({ vkey }) => vkey));
    chmodSync(join(path, 'keys'), 0o644);
    await expect(WitnessDirectory.open(path)).rejects.toThrow(/open to others/);
    chmodSync(join(path, 'keys'), 0o600);
    writeFileSync(join(path, 'keys'), readFileSync(join(path, 'keys'), 'utf8').replace('w1+', 'w2+'));
    await expect(WitnessDirectory.open(path)).rejects.toThrow(/damaged/);
  });

  it('is tidied of writes that a crash cut short', async () => {
    const checkpoints = join(path, 'checkpoints');
    await add({ oldSize: 0n, path: [], checkpoint: checkpoint(2) });
    writeFileSync(join(checkpoints, `${nameOf(ORIGIN)}.999999-1.new`), 'half');
    await directory.tidy();
    expect(readdirSync(checkpoints)).toEqual([nameOf(ORIGIN)]);
  });

  it('reads a key line exactly or not at all', () => {
    for (const { secret, vkey } of directory.cosigners) {
      expect(openCosigner(secret)?.vkey).toBe(vkey);
      for (const wrong of [
        `${secret} `,
        secret.replace('PRIVATE', 'PUBLIC'),
        secret.slice(0, -4),
        secret.replace('w1', 'w2'),
      ]) {
        expect(openCosigner(wrong)).toBeUndefined();
      }
    }
  });
});

async function start(): Promise<void> {
  server = createWitnessServer({
    directory,
    now: () => NOW,
    report: (line) => void reported.push(line),
    afterKeep: () => afterKeep(),
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}

async function restart(): Promise<void> {
  await stop();
  afterKeep = () => undefined;
  directory = await WitnessDirectory.open(path);
  await start();
}

interface Answer {
  status: number;
  type: string | null;
  body: Uint8Array;
}

/** Not fetch: it would tidy the path. */
function ask(method: string, target: string, body?: Uint8Array | string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const request = httpRequest({ hostname, port, path: target, method, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const type = response.headers['content-type'] ?? null;
        resolve({ status: response.statusCode ?? 0, type, body: new Uint8Array(Buffer.concat(chunks)) });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

const get = (target: string) => ask('GET', target);
const post = (target: string, body: Uint8Array | string) => ask('POST', target, body);
const add = (request: Parameters<typeof encodeAddCheckpoint>[0]) =>
  post('/add-checkpoint', encodeAddCheckpoint(request));
const encode = (oldSize: bigint, proof: Hash[], note: Uint8Array) =>
  encodeAddCheckpoint({ oldSize, path: proof, checkpoint: note });

function checkpoint(size: number, root = ROOTS[size]!, by = log): Uint8Array {
  const text = encodeCheckpoint({ origin: by.origin, size: BigInt(size), root, extensions: [] });
  return encodeNote({ text, signatures: [by.sign(text)] });
}

function makeLog(origin: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(12));
  const keyHash = verifierKeyId(origin, raw, ED25519_NOTE).slice(0, 4);
  return {
    origin,
    vkey: encodeVerifierKey(origin, raw),
    sign: (text: string) => ({
      name: origin,
      keyHash,
      signature: new Uint8Array(sign(null, Buffer.from(text), privateKey)),
    }),
  };
}

function tampered(note: Uint8Array): Uint8Array {
  const parsed = parseNote(note);
  parsed.signatures[0]!.signature[9]! ^= 1;
  return encodeNote(parsed);
}
