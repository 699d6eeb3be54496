import { cp, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { mkdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  loadTrustRoot,
  readTufDirectory,
  updateTrustRoot,
  watchMissing,
  type TrustRootUpdate,
} from '@margo-trust/client';
import { lintRepository, openTufSnapshot } from '@margo-trust/tuf';
import { LATER, makeSigner, NOW, Simulator, text } from '../../tuf/test/simulator.ts';
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

const server = new HostileServer();
let repository: Simulator;
let directory: string;

beforeAll(() => server.listen());
afterAll(() => server.close());
beforeEach(async () => {
  repository = new Simulator();
  server.files = repository.files;
  server.misbehaviours.clear();
  server.requests.length = 0;
  directory = await mkdtemp(join(tmpdir(), 'trust-root-'));
  return () => rm(directory, { recursive: true });
});

const update = (more: Partial<TrustRootUpdate> = {}) =>
  updateTrustRoot({ source: server.url, directory, now: NOW, timeoutSeconds: 5, ...more });
const start = (more: Partial<TrustRootUpdate> = {}) => update({ initialRoot: repository.initialRoot, ...more });
const load = () => loadTrustRoot(directory, { now: NOW });

/** Every file in a directory, by its path. */
async function readAll(at: string): Promise<Map<string, Uint8Array>> {
  const entries = await readdir(at, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(
      paths.sort().map(async (path) => [path.slice(at.length + 1), new Uint8Array(await readFile(path))] as const),
    ),
  );
}

describe('updateTrustRoot', () => {
  it('fetches everything the first time, and the timestamp when there is no news', async () => {
    const first = await start();
    expect(first.snapshot.versions).toEqual({ root: 1, timestamp: 1, snapshot: 1, targets: 1, live: 1 });
    expect(first.snapshot.target('margo.trust-root.v1.json')).toEqual(text('{"anchors":[]}'));
    expect(first.written).toHaveLength(6);

    server.requests.length = 0;
    expect((await update()).written).toEqual([]);
    expect(server.requests).toEqual(['2.root.json', 'timestamp.json']);
  });

  it('fetches what has changed, and keeps the state before for readers', async () => {
    await start();
    repository.targets.set('live.revocations.v1.json', text('{"revoked":[1]}'));
    repository.publishNext();
    const { written, snapshot } = await update();
    expect(written.map((path) => path.replace(/[0-9a-f]{64}/, '…'))).toEqual([
      '2.snapshot.json',
      '2.live.json',
      'targets/….live.revocations.v1.json',
      'timestamp.json',
    ]);
    expect(snapshot.target('live.revocations.v1.json')).toEqual(text('{"revoked":[1]}'));
    expect([...(await readAll(directory)).keys()]).toContain('1.snapshot.json');

    repository.publishNext();
    await update();
    const paths = [...(await readAll(directory)).keys()];
    expect(paths).not.toContain('1.snapshot.json');
    expect(paths.filter((path) => path.startsWith('targets/'))).toHaveLength(2);
  });

  it('leaves a directory that is itself a repository without fault', async () => {
    await start();
    repository.rotate('root', [makeSigner(), makeSigner('P-256')]);
    repository.publishNext();
    await update();
    const mirror = await readAll(directory);
    mirror.delete('initial.root.json');
    expect(lintRepository(mirror)).toEqual([]);

    const second = await mkdtemp(join(tmpdir(), 'trust-root-'));
    for (const source of [directory, pathToFileURL(directory), pathToFileURL(directory).href]) {
      const { snapshot } = await start({ source, directory: second });
      expect(snapshot.versions).toMatchObject({ root: 2, timestamp: 2 });
    }
    await rm(second, { recursive: true });
  });

  it('works below a path, with or without a slash', async () => {
    server.files = new Map([...repository.files].map(([path, bytes]) => [`tuf/${path}`, bytes]));
    await start({ source: `${server.url}/tuf` });
    await update({ source: `${server.url}/tuf/` });
  });

  it('reports what has expired, unless it is to refuse it', async () => {
    const { snapshot } = await start({ now: LATER });
    expect(snapshot.stale?.map(({ role }) => role)).toEqual(['root', 'timestamp', 'snapshot', 'targets', 'live']);
    await expect(update({ now: LATER, expired: 'refuse' })).rejects.toMatchObject({ code: 'tuf/expired' });
  });

  it('refuses an older state after a restart', async () => {
    const old = new Map(repository.files);
    repository.publishNext();
    await start();
    server.files = old;
    await expect(update()).rejects.toMatchObject({ code: 'tuf/rollback' });
    expect((await load()).versions).toMatchObject({ timestamp: 2 });
  });

  it('forgets what replaced online keys have signed, even if it is cut off just then', async () => {
    repository.roles.timestamp.version = Number.MAX_SAFE_INTEGER;
    repository.publish();
    await start();
    repository.roles.timestamp.version = 2;
    repository.rotate('timestamp', [...repository.roles.timestamp.signers, makeSigner()]);
    repository.publish();
    server.misbehaviours.set('timestamp.json', breakOff);
    await expect(update()).rejects.toMatchObject({ code: 'client/unreachable' });
    server.misbehaviours.clear();
    expect((await update()).snapshot.versions).toMatchObject({ root: 2, timestamp: 2 });
  });

  it('never starts from a root that nobody vouched for', async () => {
    await expect(update()).rejects.toMatchObject({ code: 'client/no-initial-root' });
    await cp(await mirrorOf(repository), directory, { recursive: true });
    await expect(update()).rejects.toMatchObject({ code: 'client/no-initial-root' });
  });

  it('keeps to the initial root of the directory', async () => {
    await start();
    const other = new Simulator();
    await expect(update({ initialRoot: other.initialRoot })).rejects.toMatchObject({
      code: 'client/other-initial-root',
    });
    server.files = other.files;
    await expect(update()).rejects.toMatchObject({ code: 'tuf/threshold-not-met' });
  });

  it('keeps nothing of an initial root that is none', async () => {
    await expect(start({ initialRoot: text('{}') })).rejects.toMatchObject({ code: 'tuf/malformed' });
    expect(await readdir(directory)).toEqual([]);
  });

  it.each(['ftp://127.0.0.1/', 'https://user:secret@127.0.0.1/', 'data:,x', 'https://127.0.0.1/?x'])(
    'takes no source like %s',
    async (source) => {
      await expect(start({ source })).rejects.toMatchObject({ code: 'client/unsupported-source' });
    },
  );

  it('says so when it can’t write', async () => {
    const file = join(directory, 'file');
    await writeFile(file, '');
    await expect(start({ directory: join(file, 'trust-root') })).rejects.toMatchObject({
      code: 'client/cache-unwritable',
    });
  });

  it('ends when all of it takes too long, however lively the source is', async () => {
    server.misbehaviours.set('timestamp.json', drip);
    await expect(start({ deadlineSeconds: 0.2, timeoutSeconds: 60 })).rejects.toMatchObject({ code: 'client/timeout' });
  });

  it('removes what unfinished writes left behind, and nothing that it does not know', async () => {
    await writeFile(join(directory, '1.snapshot.json.999999-1.new'), 'half');
    await writeFile(join(directory, 'README.txt'), 'ours');
    await start();
    const names = await readdir(directory);
    expect(names).toContain('README.txt');
    expect(names.filter((name) => name.endsWith('.new'))).toEqual([]);
  });
});

describe('a hostile source', () => {
  const anchorsPath = () => [...repository.files.keys()].find((path) => path.endsWith('trust-root.v1.json'))!;
  const PATHS = ['2.root.json', 'timestamp.json', '2.snapshot.json', '2.live.json'] as const;
  const DEEDS: { what: string; codes: readonly string[]; misbehaviour: Misbehaviour }[] = [
    { what: 'a redirect', codes: ['client/redirect'], misbehaviour: redirect },
    { what: 'silence', codes: ['client/timeout'], misbehaviour: silence },
    { what: 'a drip', codes: ['client/timeout', 'client/too-large'], misbehaviour: drip },
    { what: 'a flood', codes: ['client/too-large'], misbehaviour: flood },
    { what: 'half a body', codes: ['client/unreachable'], misbehaviour: breakOff },
    { what: 'status 403', codes: ['client/bad-status'], misbehaviour: status(403) },
    {
      what: 'a web page',
      codes: ['tuf/malformed', 'tuf/hash-mismatch'],
      misbehaviour: (r) => r.end('<!doctype html>'),
    },
  ];
  const CASES = PATHS.flatMap((path) => DEEDS.map((deed) => ({ path, ...deed })));

  it.each(CASES)('that answers $path with $what leaves the state as it was', async ({ path, codes, misbehaviour }) => {
    await start();
    const before = (await load()).set;
    repository.publishNext();
    server.misbehaviours.set(path, misbehaviour);
    await expect(update({ timeoutSeconds: 0.2 })).rejects.toSatisfy(({ code }) => codes.includes(code));
    expect((await load()).set).toEqual(before);

    server.misbehaviours.clear();
    expect((await update()).snapshot.versions).toMatchObject({ timestamp: 2, live: 2 });
  });

  it.each([
    { what: 'another target of the same length', code: 'tuf/hash-mismatch', bytes: text('{"anchors":{}}') },
    { what: 'a longer target', code: 'client/too-large', bytes: text('{"anchors":[1]}') },
    { what: 'no target', code: 'tuf/missing-target', bytes: undefined },
  ])('with $what gets nothing into the directory', async ({ code, bytes }) => {
    const files = new Map(repository.files);
    if (bytes) files.set(anchorsPath(), bytes);
    else files.delete(anchorsPath());
    server.files = files;
    await expect(start()).rejects.toMatchObject({ code });
    await expect(load()).rejects.toMatchObject({ code: 'tuf/missing-metadata' });
  });
});

describe('a damaged directory', () => {
  /** The change that damage is: a byte flipped, the file cut, emptied, gone, or grown beyond its limit. */
  const DAMAGES: ((path: string, at: number) => Promise<void>)[] = [
    async (path, at) => {
      const bytes = await readFile(path);
      bytes[at % bytes.length]! ^= 0xff;
      await writeFile(path, bytes);
    },
    async (path, at) => {
      const bytes = await readFile(path);
      await writeFile(path, bytes.subarray(0, at % bytes.length));
    },
    (path) => unlink(path),
    (path) => writeFile(path, new Uint8Array(6_000_000)),
  ];

  it('heals: every file, a sample of bytes', async () => {
    repository.rotate('timestamp', [makeSigner()]);
    repository.publish();
    await start();
    const good = await readAll(directory);
    const versions = (await load()).versions;
    for (const path of good.keys()) {
      const { size } = await stat(join(directory, path));
      for (const damage of DAMAGES) {
        for (const at of [0, Math.floor(size / 3), size - 2]) {
          await damage(join(directory, path), at);
          const { snapshot } = await start();
          expect(snapshot.versions).toEqual(versions);
          expect(sameBut(await readAll(directory), good)).toEqual([]);
        }
      }
    }
  });

  it('heals from its own initial root, but never without one', async () => {
    await start();
    const good = await readAll(directory);
    for (const path of good.keys()) if (path !== 'initial.root.json') await writeFile(join(directory, path), 'x');
    await update();
    expect(await readAll(directory)).toEqual(good);

    await writeFile(join(directory, 'initial.root.json'), 'x');
    await expect(update()).rejects.toMatchObject({ code: 'client/no-initial-root' });
  });

  it('remembers its versions, though timestamp and a root are damaged and the source is old', async () => {
    const old = new Map(repository.files);
    repository.rotate('timestamp', [...repository.roles.timestamp.signers, makeSigner()]);
    repository.publishNext();
    await start();
    await writeFile(join(directory, 'timestamp.json'), 'x');
    await writeFile(join(directory, '2.root.json'), 'x');
    server.files = new Map([...old, ['2.root.json', repository.file('2.root.json')]]);
    await expect(update()).rejects.toMatchObject({ code: 'tuf/rollback' });
  });

  it('never opens as something else', async () => {
    await start();
    const good = await readAll(directory);
    const { set } = await load();
    for (const [path, bytes] of good) {
      for (let at = 0; at < bytes.length; at += 97) {
        const damaged = Uint8Array.from(bytes);
        damaged[at]! ^= 0x01;
        await writeFile(join(directory, path), damaged);
        // Damage to one of three signatures may be no harm; then the content is the same.
        const outcome = await load()
          .then(
            (snapshot) => snapshot.targetNames.map((name) => snapshot.target(name)),
            (error: unknown) => error,
          )
          .catch((error: unknown) => error);
        if (Array.isArray(outcome)) expect(outcome).toEqual(Object.values(set.files));
        else expect(outcome).toMatchObject({ code: expect.stringMatching(/^(tuf|client)\//) });
      }
      await writeFile(join(directory, path), bytes);
    }
  });

  /** Paths whose content differs, apart from ECDSA signatures that were damaged without harm. */
  function sameBut(now: Map<string, Uint8Array>, good: Map<string, Uint8Array>): string[] {
    const paths = new Set([...now.keys(), ...good.keys()]);
    return [...paths].filter((path) => {
      const [is, was] = [now.get(path), good.get(path)];
      if (!is || !was) return true;
      if (Buffer.compare(is, was) === 0) return false;
      return !path.endsWith('root.json') || JSON.stringify(signedOf(is)) !== JSON.stringify(signedOf(was));
    });
  }
});

describe('a directory that does not hold everything', () => {
  const shards = ['live.vendors.00.json', 'live.vendors.01.json', 'live.revoked.00.json'];
  const held = async (): Promise<string[]> =>
    (await readdir(join(directory, 'targets'))).map((name) => name.replace(/^[0-9a-f]{64}\./, '')).sort();
  const common = ['live.checkpoint', 'live.revocations.v1.json', 'live.revoked.filter', 'margo.trust-root.v1.json'];
  beforeEach(() => {
    for (const name of [...shards, ...common, 'live.crl.issuing-1.0.crl', 'ca.root.pem']) {
      repository.targets.set(name, text(`{"of":"${name}"}`));
    }
    repository.publishNext();
  });

  it('has what every verdict reads, and adds what it is told to keep', async () => {
    const { snapshot } = await start({ keep: [] });
    expect(await held()).toEqual(common);
    expect(() => snapshot.target('live.vendors.00.json')).toThrow(
      expect.objectContaining({ code: 'tuf/missing-target' }),
    );

    await update({ keep: ['live.vendors.00.json', 'live.revoked.00.json', 'live.revoked.77.json'] });
    expect(await held()).toEqual(['live.vendors.00.json', 'live.revoked.00.json', ...common].sort());
    expect((await load()).target('live.vendors.00.json')).toEqual(text('{"of":"live.vendors.00.json"}'));
  });

  it('keeps that up to date, a file that appears later too, without being told again', async () => {
    await start({ keep: ['live.vendors.00.json', 'live.revoked.77.json'] });
    repository.targets.set('live.vendors.00.json', text('{"of":"news"}'));
    repository.targets.set('live.vendors.01.json', text('{"of":"other news"}'));
    repository.targets.set('live.revoked.77.json', text('{"of":"the first"}'));
    repository.publishNext();
    server.requests.length = 0;
    const { snapshot } = await update();
    expect(snapshot.target('live.vendors.00.json')).toEqual(text('{"of":"news"}'));
    expect(snapshot.target('live.revoked.77.json')).toEqual(text('{"of":"the first"}'));
    expect(server.requests.filter((path) => path.startsWith('targets/'))).toHaveLength(2);
  });

  it('holds everything once it is told so, and then goes on to, whatever it is told', async () => {
    await start({ keep: [] });
    await update({ keep: 'everything' });
    expect(await held()).toHaveLength(common.length + shards.length + 2);
    repository.targets.set('live.vendors.02.json', text('{"of":"a new one"}'));
    repository.publishNext();
    const { snapshot } = await update({ keep: [] });
    expect(snapshot.target('live.vendors.02.json')).toEqual(text('{"of":"a new one"}'));
  });

  it('fetches more than it needs when its list is damaged, never less', async () => {
    for (const damage of ['x', '{}', '{"targets":[1]}', '']) {
      await start({ keep: [] });
      await writeFile(join(directory, 'kept-targets.json'), damage);
      await update();
      expect(await held(), damage).toHaveLength(common.length + shards.length + 2);
      await rm(directory, { recursive: true });
    }
    await start();
  });

  it('notes what was missed, and only what the trust root vouches for', async () => {
    await start({ keep: [] });
    const { snapshot, missing } = watchMissing(await load());
    snapshot.target('margo.trust-root.v1.json');
    expect(() => snapshot.target('live.vendors.99.json')).toThrow(
      expect.objectContaining({ code: 'tuf/unknown-target' }),
    );
    expect(missing.size).toBe(0);
    expect(() => snapshot.target('live.vendors.01.json')).toThrow(
      expect.objectContaining({ code: 'tuf/missing-target' }),
    );
    expect([...missing]).toEqual(['live.vendors.01.json']);
  });
});

describe('loadTrustRoot', () => {
  it('reads a stick, given the root', async () => {
    const stick = await mirrorOf(repository);
    const snapshot = await loadTrustRoot(stick, { now: NOW, initialRoot: repository.initialRoot });
    expect(snapshot.versions).toMatchObject({ timestamp: 1 });
    await expect(loadTrustRoot(stick, { now: NOW })).rejects.toMatchObject({ code: 'client/no-initial-root' });
    expect([...(await readAll(stick)).keys()].sort()).toEqual([...repository.files.keys()].sort());
  });

  it('says which targets are missing when they are asked for', async () => {
    await start();
    await rm(join(directory, 'targets'), { recursive: true });
    const snapshot = await load();
    expect(() => snapshot.target('margo.trust-root.v1.json')).toThrow(
      expect.objectContaining({ code: 'tuf/missing-target' }),
    );
  });

  it('finds nothing in a directory that is not there', async () => {
    await expect(loadTrustRoot(join(directory, 'no'), { now: NOW })).rejects.toMatchObject({
      code: 'client/no-initial-root',
    });
  });
});

describe('readTufDirectory', () => {
  it('gives what an evidence bundle carries', async () => {
    repository.rotate('root', [makeSigner(), makeSigner()]);
    await start();
    const set = await readTufDirectory(directory);
    expect(set.roots).toHaveLength(2);
    expect(openTufSnapshot(set, { now: NOW, expired: 'refuse' }).versions).toMatchObject({ root: 2, live: 1 });
  });
});

/** A repository as plain files. */
async function mirrorOf({ files }: Simulator): Promise<string> {
  const mirror = await mkdtemp(join(tmpdir(), 'mirror-'));
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(mirror, path)), { recursive: true });
    writeFileSync(join(mirror, path), bytes);
  }
  return mirror;
}

function signedOf(bytes: Uint8Array): unknown {
  return (JSON.parse(Buffer.from(bytes).toString()) as { signed: unknown }).signed;
}
