import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseStatement } from '@margo-trust/statement';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkReceipt, leafHash, readKeys } from '../independent.mjs';
import { findDebianPostgres, type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { startService, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { bytesAt, register, treeOf, until } from './audit.ts';

const servers = [
  { from: 'embedded' as const, isHere: true },
  { from: 'debian' as const, isHere: findDebianPostgres() !== undefined },
];

/** The embedded issuer's name has the port in it: it would seat other members at each start. */
const SAME_FOR_ALL = { OIDC_ISSUER: 'https://accounts.example', GOVERNANCE_MEMBERS: 'alice,bob,carol' };

describe.each(servers.filter(({ isHere }) => isHere))('a synchronous standby, PostgreSQL $from', ({ from }) => {
  let directory: string;
  let primary: OutsidePostgres;
  let standby: OutsidePostgres;
  let service: Service;
  let other: Service;
  let database: Client;
  let draw: () => Uint8Array;
  const acknowledged: { statement: Uint8Array; body: Uint8Array }[] = [];

  const startOn = (url: string, data = 'data') =>
    startService({
      dataDir: join(directory, data),
      story: false,
      env: { ...SAME_FOR_ALL, DATABASE_URL: url, KEYS_DIR: join(directory, 'data/keys'), ROLE: 'api' },
    });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-replication-'));
    primary = await startOutsidePostgres({ from });
    service = await startService({ dataDir: join(directory, 'data'), env: { DATABASE_URL: primary.url } });
    draw = await statementsOf(join(directory, 'data'));
    await service.stop();
    standby = await primary.follow('standby1');
    database = new Client({ connectionString: primary.url });
    await database.connect();
    await database.query(`ALTER SYSTEM SET synchronous_standby_names = 'standby1'`);
    await database.query('SELECT pg_reload_conf()');
    database.on('error', () => undefined); // its server is killed
    service = await startOn(primary.url);
    other = await startOn(primary.url, 'other');
  });
  afterAll(async () => {
    await service?.stop();
    await other?.stop();
    await database?.end().catch(() => undefined);
    await standby?.stop();
    await primary?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const acknowledge = async (statement: Uint8Array) => {
    const { status, body } = await register(service.url, statement);
    expect(status, Buffer.from(body).toString()).toBe(201);
    acknowledged.push({ statement, body });
  };
  const isOn = async (url: string, statement: Uint8Array) => {
    const client = new Client({ connectionString: url });
    await client.connect();
    const { entry } = parseStatement(statement);
    const { rows } = await client.query<{ index: string }>('SELECT index FROM log_entry WHERE entry = $1', [
      Buffer.from(entry),
    ]);
    await client.end();
    return rows[0]?.index;
  };
  const askStandby = async (sql: string, parameters: string[] = []) => {
    const client = new Client({ connectionString: standby.url });
    await client.connect();
    const { rows } = await client.query<{ answer: unknown }>(sql, parameters);
    await client.end();
    return rows[0]?.answer;
  };
  const flushedOnStandby = async () => String(await askStandby('SELECT pg_last_wal_receive_lsn()::text AS answer'));
  const replayed = (position: string) =>
    until(
      async () => (await askStandby('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS answer', [position])) === true,
    );
  const sizeShown = async () => (await treeOf(service.url)).size;

  it('has every entry before it is acknowledged', async () => {
    for (let i = 0; i < 10; i += 1) {
      const statement = draw();
      await acknowledge(statement);
      // On the standby's disk is what was promised; its queries see it when it has replayed that.
      await replayed(await flushedOnStandby());
      expect(await isOn(standby.url, statement)).toBeDefined();
    }
  });

  it('is waited for in vain: nothing is acknowledged, signed or shown, whoever ends the waiting', async () => {
    const sizeBefore = await sizeShown();
    await standby.halt('SIGKILL');

    // An administrator, or a time limit, cancels the wait. PostgreSQL answers COMMIT all the same, with a warning.
    const cancelled = draw();
    const answer = register(service.url, cancelled);
    await cancelWaiting();
    expect((await answer).status).toBe(503);
    const indexThere = await isOn(primary.url, cancelled);
    expect(indexThere).toBeDefined(); // on one machine only, and lost with it

    // All at once, since each waits for its limit in vain.
    const { entryId } = parseStatement(cancelled);
    const statusAt = async (url: string) => (await fetch(url)).status;
    const [late, ...answers] = await Promise.all([
      startOn(primary.url, 'late'),
      register(service.url, draw()).then(({ status }) => status), // by the limit that sealing sets itself
      statusAt(`${service.url}/entries/${entryId}`),
      // A process that knows nothing of the doubt does not trust the head either.
      statusAt(`${other.url}/log/checkpoint`),
      statusAt(`${other.url}/entries/${entryId}`),
    ]);
    expect(answers).toEqual([503, 503, 503, 503]);
    expect(await sizeShown()).toBe(sizeBefore);

    // A replica that starts meanwhile writes nothing, so it has nothing to wait for.
    expect((await fetch(`${late.url}/log/log.json`)).status).toBe(200);
    expect((await register(late.url, draw())).status).toBe(503);
    await late.stop();

    await standby.resume();
    await until(async () => (await fetch(`${service.url}/entries/${entryId}`)).status === 200);
    const { status, body } = await register(service.url, cancelled);
    expect(status).toBe(201);
    const keys = readKeys(await bytesAt(`${service.url}/.well-known/scitt-keys`));
    expect(String(checkReceipt(body, parseStatement(cancelled).entry, keys).index)).toBe(indexThere);
    acknowledged.push({ statement: cancelled, body });
    await acknowledge(draw());
  });

  it('takes over with everything that was acknowledged', async () => {
    await primary.halt('SIGKILL');
    const failing = await register(service.url, draw());
    expect(failing.status).toBe(503);
    await Promise.all([service.stop(), other.stop()]);

    const admin = new Client({ connectionString: standby.url });
    await admin.connect();
    await admin.query(`SELECT pg_promote()`);
    await admin.query(`ALTER SYSTEM SET synchronous_standby_names = ''`);
    await admin.query('SELECT pg_reload_conf()');
    await admin.end();
    service = await startOn(standby.url);
    await acknowledge(draw());
    const keys = readKeys(await bytesAt(`${service.url}/.well-known/scitt-keys`));
    const tree = await treeOf(service.url);
    for (const { statement, body } of acknowledged) {
      const { entry } = parseStatement(statement);
      const { index, size, root } = checkReceipt(body, entry, keys);
      expect(tree.leaf(index)).toEqual(leafHash(entry));
      expect(tree.root(size)).toEqual(root);
    }
  });

  /** As soon as a backend waits for the standby at its COMMIT. */
  async function cancelWaiting(): Promise<void> {
    await until(async () => {
      const { rowCount } = await database.query(
        `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'`,
      );
      return (rowCount ?? 0) > 0;
    });
  }
});
