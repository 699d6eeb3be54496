import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { repository } from '../service.ts';
import { because } from '../skipped.ts';
import { lastLine, postgresOf, Starts } from './starts.ts';

const STACK = /^ {4}at /m;
const NOBODY = 65_534;

/** The compiled registry, started as a newcomer starts it. What is asserted here, Vitest's own loader cannot show. */
describe('npm start -- --empty', () => {
  const starts = new Starts();
  afterEach(() => starts.cleanUp());

  it('ends with one screen and the address; a second start is warm and keeps the log', async () => {
    const DATA_DIR = starts.newDirectory();
    const first = starts.start({ DATA_DIR });
    const url = await first.ready;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(first.stdout().trimEnd().split('\n').at(-1)).toBe(`ready ${url}`);
    expect(first.stdout()).toContain(DATA_DIR);
    expect(first.output(), 'nothing to worry a newcomer').not.toMatch(/warn|error/i);
    const log = await readLog(url);
    const keys = ['log-receipt.pem', 'ca-issuing-1.pem', 'offline/ca-root.pem'].map((name) =>
      join(DATA_DIR, 'keys', name),
    );
    expect(keys.map((path) => statSync(path).mode & 0o777)).toEqual([0o600, 0o600, 0o600]);

    first.child.kill('SIGTERM');
    expect(await first.exit).toBe(0);
    expect(postgresOf(DATA_DIR)).toEqual([]);

    const second = starts.start({ DATA_DIR });
    expect(await readLog(await second.ready, log.size)).toEqual(log);
    expect(second.output(), 'the port is another one').toContain(`Certificates of this registry name ${url} for CRLs`);
    second.child.kill('SIGINT');
    expect(await second.exit).toBe(0);
    expect(postgresOf(DATA_DIR)).toEqual([]);
  });

  it('survives kill -9 of everything at once', async () => {
    const DATA_DIR = starts.newDirectory();
    const first = starts.start({ DATA_DIR });
    const log = await readLog(await first.ready);
    for (const pid of postgresOf(DATA_DIR)) process.kill(pid, 'SIGKILL');
    first.child.kill('SIGKILL');
    await first.exit;

    const second = starts.start({ DATA_DIR });
    expect(await readLog(await second.ready, log.size)).toEqual(log);
  });

  it('survives kill -9 of itself, which takes its database along', async () => {
    const DATA_DIR = starts.newDirectory();
    const first = starts.start({ DATA_DIR });
    const log = await readLog(await first.ready);
    first.child.kill('SIGKILL');

    const second = starts.start({ DATA_DIR }); // at once: the old database may still be on its way out
    expect(await readLog(await second.ready, log.size)).toEqual(log);
    second.child.kill('SIGKILL');
    await expect.poll(() => postgresOf(DATA_DIR), { timeout: 60_000 }).toEqual([]);
  });

  it('leaves nothing behind when it is told to stop before it is ready', async () => {
    const DATA_DIR = starts.newDirectory();
    const registry = starts.start({ DATA_DIR });
    await expect.poll(() => existsSync(join(DATA_DIR, 'pg/postmaster.pid')), { timeout: 60_000 }).toBe(true);
    registry.child.kill('SIGTERM');
    expect(await registry.exit).toBe(0);
    expect(registry.stdout()).not.toMatch(/^ready/m);
    expect(postgresOf(DATA_DIR)).toEqual([]);
  });

  it('leaves nothing behind when Ctrl-C reaches npm and all that it runs', async () => {
    const DATA_DIR = starts.newDirectory();
    const npm = starts.start({ DATA_DIR, HOME: starts.newDirectory('home') }, ['npm', 'start', '--', '--empty']);
    const url = await npm.ready;
    process.kill(-(npm.child.pid ?? 0), 'SIGINT');
    await npm.exit;
    expect(readFileSync(join(DATA_DIR, 'postgres.log'), 'utf8')).toMatch(/database system is shut down\n$/);
    expect(postgresOf(DATA_DIR)).toEqual([]);
    await expect(fetch(`${url}/livez`)).rejects.toThrow();
  });

  it('ends, saying so, when its database dies', async () => {
    const DATA_DIR = starts.newDirectory();
    const registry = starts.start({ DATA_DIR });
    await registry.ready;
    process.kill(Number(readFileSync(join(DATA_DIR, 'pg/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL');
    expect(await registry.exit).toBe(1);
    expect(registry.output()).toContain('The embedded database has died.');
  });

  it('names the way out when the port is taken, and starts nothing', async () => {
    const DATA_DIR = starts.newDirectory();
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    const registry = starts.start({ DATA_DIR, PORT: String(port) });
    expect(await registry.exit).toBe(1);
    holder.close();
    expect(lastLine(registry)).toBe(
      `Port ${port} is taken. Stop who has it, or choose another one: PORT=${port + 1} npm start`,
    );
    expect(registry.output()).not.toMatch(STACK);
    expect(existsSync(join(DATA_DIR, 'pg'))).toBe(false);
  });

  it('serves once of two that start together, and then refuses a third; in any path', async () => {
    const DATA_DIR = starts.newDirectory(`a "quoted", ${'long '.repeat(20)}/ ünd more/${'x'.repeat(100)}`);
    const both = [starts.start({ DATA_DIR }), starts.start({ DATA_DIR })];
    const outcomes = await Promise.allSettled(both.map(({ ready }) => ready));
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const loser = both[outcomes.findIndex(({ status }) => status === 'rejected')]!;
    const winner = both.find((start) => start !== loser)!;
    const third = starts.start({ DATA_DIR });
    for (const refused of [loser, third]) {
      expect(await refused.exit).toBe(1);
      expect(lastLine(refused)).toBe(`Another registry already runs on ${DATA_DIR}.`);
      expect(refused.output()).not.toMatch(STACK);
    }
    expect((await fetch(`${await winner.ready}/readyz`)).status, 'the first goes on').toBe(200);
  });

  it('refuses another REGISTRY_DOMAIN and lost keys later on, and says how to go on', async () => {
    const DATA_DIR = starts.newDirectory();
    const first = starts.start({ DATA_DIR });
    await first.ready;
    first.child.kill('SIGTERM');
    await first.exit;

    const renamed = starts.start({ DATA_DIR, REGISTRY_DOMAIN: 'registry.example' });
    expect(await renamed.exit).toBe(1);
    expect(lastLine(renamed)).toMatch(
      /registry of registry\.localhost; REGISTRY_DOMAIN says registry\.example\..*set /,
    );
    const rekeyed = starts.start({ DATA_DIR, KEYS_DIR: starts.newDirectory('new keys') });
    expect(await rekeyed.exit).toBe(1);
    expect(lastLine(rekeyed)).toMatch(/^The keys in .*new keys are not those .* Set DATA_DIR or KEYS_DIR/);
    for (const refused of [renamed, rekeyed]) expect(refused.output()).not.toMatch(STACK);
    expect(postgresOf(DATA_DIR)).toEqual([]);
  });

  it('refuses production with anything embedded, with a sentence for each', async () => {
    const DATA_DIR = starts.newDirectory();
    mkdirSync(join(DATA_DIR, 'demo'), { recursive: true });
    const development = starts.start({ DATA_DIR });
    await development.ready;
    development.child.kill('SIGTERM');
    await development.exit;

    const careless = { PUBLIC_URL: 'https://registry.example', GOVERNANCE_MEMBERS: 'a,a' };
    const registry = starts.start({ DATA_DIR, MODE: 'production', ...careless });
    expect(await registry.exit).toBe(1);
    expect(registry.output().trim().split('\n').slice(-7)).toEqual([
      'Refusing to start in production.',
      'Set DATABASE_URL: the embedded database is for development.',
      'Set OIDC_ISSUER: the embedded sign-in lets anyone be anyone.',
      'Set GOVERNANCE_MEMBERS to at least two subjects: nobody decides alone.',
      `The keys in ${DATA_DIR}/keys were made for development. Set KEYS_DIR.`,
      `${DATA_DIR}/keys holds offline keys. Take the folder "offline" off this machine.`,
      `${DATA_DIR} holds the demonstration. Set DATA_DIR to another directory.`,
    ]);
    const nameless = starts.start({ DATA_DIR, MODE: 'production' });
    expect(await nameless.exit).toBe(1);
    expect(lastLine(nameless)).toBe('Set PUBLIC_URL to the address callers use.');
  });

  it('refuses options it does not know', async () => {
    const registry = starts.start({}, [process.execPath, 'scripts/start.mjs', '--emtpy']);
    expect(await registry.exit).toBe(1);
    expect(lastLine(registry)).toBe('npm start does not know --emtpy. It knows: npm start -- --empty');
  });

  // Pointless for an ordinary user, whom all the tests above run as; impossible where root's checkout is closed to others.
  it.skipIf(!canBecomeNobody())(
    'serves an ordinary user',
    because('root alone can become nobody, who must be able to read the checkout'),
    async () => {
      const DATA_DIR = starts.newDirectory();
      for (const path of [join(DATA_DIR, '..'), DATA_DIR]) {
        mkdirSync(path, { recursive: true });
        chownSync(path, NOBODY, NOBODY);
      }
      const registry = starts.start({ DATA_DIR }, [...asNobody, process.execPath, 'scripts/start.mjs', '--empty']);
      expect((await fetch(`${await registry.ready}/readyz`)).status).toBe(200);
      expect(statSync(join(DATA_DIR, 'pg')).uid).toBe(NOBODY);
      registry.child.kill('SIGTERM');
      expect(await registry.exit).toBe(0);
      expect(postgresOf(DATA_DIR)).toEqual([]);
    },
  );
});

describe('npm start with a database outside', () => {
  const starts = new Starts();
  let postgres: OutsidePostgres;
  beforeAll(async () => {
    postgres = await startOutsidePostgres();
  });
  afterEach(() => starts.cleanUp());
  afterAll(() => postgres?.stop());

  it('needs PostgreSQL 15 or newer and nothing else, starts no other, and keeps the log over kill -9', async () => {
    expect(Number.parseInt(postgres.version, 10)).toBeGreaterThanOrEqual(15);
    const env = { DATA_DIR: starts.newDirectory(), DATABASE_URL: postgres.url };
    const first = starts.start(env);
    const log = await readLog(await first.ready);
    expect(existsSync(join(env.DATA_DIR, 'pg'))).toBe(false);
    first.child.kill('SIGKILL');
    await first.exit;

    const second = starts.start(env);
    expect(await readLog(await second.ready, log.size)).toEqual(log);
    second.child.kill('SIGTERM');
    expect(await second.exit).toBe(0);

    const stranger = starts.start({ ...env, DATA_DIR: starts.newDirectory() });
    expect(await stranger.exit).toBe(1);
    expect(lastLine(stranger)).toMatch(
      /^The keys in .* are not those that this database's registry was founded with\./,
    );
  });

  it.each([
    ['another password', (url: string) => url.replace('not%20a%20secret', 'guessed'), /authentication failed/],
    ['another port', (url: string) => url.replace(/:\d+\//, ':9/'), /ECONNREFUSED/],
    ['another database', (url: string) => url.replace(/margo$/, 'nothing'), /"nothing" does not exist/],
  ])('says in a sentence without the password that %s does not work', async (_, change, reason) => {
    const DATABASE_URL = change(postgres.url);
    const registry = starts.start({ DATA_DIR: starts.newDirectory(), DATABASE_URL });
    expect(await registry.exit).toBe(1);
    expect(lastLine(registry)).toMatch(/^The database of DATABASE_URL cannot be used: .*\. (Check|Create) /);
    expect(lastLine(registry)).toMatch(reason);
    expect(registry.output()).not.toMatch(/guessed|secret/);
    expect(registry.output()).not.toMatch(STACK);
  });
});

const asNobody = ['setpriv', '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--inh-caps=-all'];

function canBecomeNobody(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    const [program = '', ...options] = asNobody;
    execFileSync(program, [...options, 'test', '-r', join(repository, 'package.json')], { cwd: '/' });
    return true;
  } catch {
    return false;
  }
}

/** What must outlive a restart: who signs, and the first `size` entries, which are more than 1 and fewer than 256. */
async function readLog(url: string, size?: number): Promise<{ size: number; keys: string; entries: string }> {
  const text = async (path: string) => {
    const response = await fetch(url + path);
    if (!response.ok) throw new Error(`${path} answers ${response.status}.`);
    return Buffer.from(await response.arrayBuffer()).toString('base64');
  };
  const now = (await (await fetch(`${url}/api/v1/log`)).json()) as { size: string };
  const width = size ?? Number(now.size);
  expect(Number(now.size)).toBeGreaterThanOrEqual(width);
  return {
    size: width,
    keys: await text('/.well-known/scitt-keys'),
    entries: await text(`/log/tile/entries/000.p/${width}`),
  };
}
