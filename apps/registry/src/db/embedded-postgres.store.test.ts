import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { findPostgresBinaries } from './postgres-binaries.ts';

describe('startEmbeddedPostgres', () => {
  const running: EmbeddedPostgres[] = [];
  const directories: string[] = [];

  afterEach(async () => {
    await Promise.all(running.splice(0).map((postgres) => postgres.stop()));
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
  });

  function newDirectory(name: string): string {
    const parent = mkdtempSync(join(tmpdir(), 'margo-pg-'));
    directories.push(parent);
    return join(parent, name);
  }

  async function start(stateDirectory: string, onLost?: () => void): Promise<EmbeddedPostgres> {
    // Only the test that kills the server needs durability, and says so by asking to be told.
    const isDurable = onLost !== undefined;
    const postgres = await startEmbeddedPostgres({ stateDirectory, isDurable, onLost: onLost ?? (() => undefined) });
    running.push(postgres);
    return postgres;
  }

  async function ask(postgres: EmbeddedPostgres, sql: string): Promise<unknown> {
    const client = new Client({ host: postgres.socketDirectory, user: postgres.user, database: postgres.database });
    await client.connect();
    try {
      return Object.values((await client.query<Record<string, unknown>>(sql)).rows[0] ?? {})[0];
    } finally {
      await client.end();
    }
  }

  const postmasterPid = (directory: string): number =>
    Number(readFileSync(join(directory, 'pg', 'postmaster.pid'), 'utf8').split('\n')[0]);

  it('keeps data over a stop, in a path with space, quote and comma', async () => {
    const directory = newDirectory(`it's a "state", really`);
    const first = await start(directory);
    await ask(first, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await first.stop();

    const second = await start(directory);
    expect(await ask(second, 'SELECT answer FROM kept')).toBe(42);
    expect(await ask(second, `SELECT 'a' < 'B'`), 'sorts by code point').toBe(false);
    expect(await ask(second, 'SHOW data_checksums')).toBe('on');
    expect(statSync(second.socketDirectory).mode & 0o077).toBe(0);
  });

  it('uses a short socket directory when the path would not fit an address', async () => {
    const postgres = await start(newDirectory('x'.repeat(120)));
    expect(postgres.socketDirectory.length).toBeLessThan(90);
    expect(await ask(postgres, 'SELECT 1')).toBe(1);
    directories.push(postgres.socketDirectory);
  });

  it('refuses a directory that another registry uses', async () => {
    const directory = newDirectory('shared');
    await start(directory);
    await expect(start(directory)).rejects.toThrow(/Another registry already runs on/);
  });

  it('lets exactly one of three simultaneous starts win', async () => {
    const directory = newDirectory('race');
    const results = await Promise.allSettled([start(directory), start(directory), start(directory)]);
    const refused = results.filter((result) => result.status === 'rejected').map((result) => String(result.reason));
    expect(refused).toHaveLength(2);
    for (const reason of refused) expect(reason).toMatch(/Another registry already runs on/);
  });

  it('tells when the server dies, and recovers at the next start', async () => {
    const directory = newDirectory('killed');
    let wasLost: () => void = () => undefined;
    const lost = new Promise<void>((resolve) => (wasLost = resolve));
    const first = await start(directory, wasLost);
    await ask(first, 'CREATE TABLE kept AS SELECT 1 AS one');
    process.kill(postmasterPid(directory), 'SIGKILL');
    await lost;

    const second = await start(directory);
    expect(await ask(second, 'SELECT one FROM kept')).toBe(1);
  });

  it('starts although its lock files name a living stranger', async () => {
    const directory = newDirectory('stranger');
    const first = await start(directory);
    const files = [join(directory, 'pg', 'postmaster.pid'), join(first.socketDirectory, '.s.PGSQL.5432.lock')];
    const texts = files.map((file) => readFileSync(file, 'utf8'));
    await first.stop();
    // Of PostgreSQL's own user: strangers whom it may not signal it does not believe in.
    const [program = '', ...options] = [...(await findPostgresBinaries()).prefix, 'sleep', '60'];
    const stranger = spawn(program, options, { cwd: '/' });
    await once(stranger, 'spawn');
    files.forEach((file, i) => writeFileSync(file, texts[i]!.replace(/^\d+/, String(stranger.pid))));

    expect(await ask(await start(directory), 'SELECT 1')).toBe(1);
    stranger.kill('SIGKILL');
  });

  it('ends the server when its registry is killed with -9', async () => {
    const directory = newDirectory('orphan');
    const script = `
      import { startEmbeddedPostgres } from ${JSON.stringify(join(import.meta.dirname, '../../dist/db/embedded-postgres.js'))};
      await startEmbeddedPostgres({ stateDirectory: ${JSON.stringify(directory)}, isDurable: false, onLost() {} });
      process.kill(process.pid, 'SIGKILL');`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(child.signal, child.stderr).toBe('SIGKILL');
    expect(await ask(await start(directory), 'SELECT 1')).toBe(1);
  });

  it('refuses data of another major version and says what to do', async () => {
    const directory = newDirectory('old');
    mkdirSync(join(directory, 'pg'), { recursive: true });
    writeFileSync(join(directory, 'pg', 'PG_VERSION'), '15\n');
    await expect(start(directory)).rejects.toThrow(/written by PostgreSQL 15.*Export the data/s);
  });
});
