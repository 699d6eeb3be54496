import type { KeyObject } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { parseStatement } from '@margo-trust/statement';
import { encodeVerifierKey, parseVerifierKey } from '@margo-trust/tlog';
import type { LogProposal } from '@margo-trust/wire';
import { pino } from 'pino';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { TestCli } from '../../../../test/cli.ts';
import { openTestDatabase } from '../../../../test/database.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { SystemClock } from '../clock.ts';
import { readConfig } from '../config.ts';
import { createApp } from '../create-app.ts';
import { Db } from '../db/db.ts';
import { generateKey, writeKey, writeMlDsaKey } from '../keys/development-keys.ts';
import { LogIdentity } from '../log/log-identity.ts';
import { RollbackLatch } from '../log/rollback/rollback-latch.ts';
import { RunningLogs } from '../log/running-logs.ts';
import { AnswerCompletely } from '../log/search/answer-completely.ts';
import { UpdateIndexMap } from '../log/search/update-index-map.ts';
import { PublishTiles } from '../log/tiles/publish-tiles.ts';
import { SystemRandom } from '../random.ts';
import { PublicLog } from './public-log.ts';
import { rebuildLogs } from './rebuild-logs.ts';
import { RecoverLogs } from './recover-logs.ts';
import { hashLogState } from './state-hash.ts';

const FIRST = 'log.registry.localhost';
const YEAR = '2027.log.registry.localhost';
const NEXT = '2028.log.registry.localhost';

/** 2027 is frozen and retired, 2028 takes statements and the first log is closed; each has one key that it did not begin with. */
describe('several logs', () => {
  const cli = new TestCli();
  /** All logs as they are, and as they were before 2028 was opened. */
  const [mirror, old] = [cli.path('mirror'), cli.path('old')];
  const sources: DataSource[] = [];
  const apps: INestApplication[] = [];
  let registry: TestRegistry;
  /** What a web server would serve. */
  let files: string;
  let vendor: { id: string; uri: string; key: KeyObject; chain: string };
  let logKey: ReturnType<typeof parseVerifierKey>;
  let mirrored: { log: string; directory: string; entries: string; before: string }[];

  beforeAll(async () => {
    files = mkdtempSync(join(tmpdir(), 'rebuild-logs-files-'));
    registry = await startTestRegistry({ env: tileStore() });
    const { checkpointWindows } = registry.app.get(LogIdentity);
    const { name, publicKey } = checkpointWindows[0]!.key;
    logKey = parseVerifierKey(encodeVerifierKey(name, publicKey));
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    vendor = { id, key, chain, uri: `https://${id}.vendors.registry.localhost/` };

    const shared = draw();
    await publish('/entries', shared);
    await decide('open', '2027');
    await publish('/logs/2027/entries', shared); // one statement, two logs
    for (let n = 0; n < 3; n += 1) await publish('/logs/2027/entries');
    await mirrorAll(old);

    for (const [folder, log] of [
      ['', FIRST],
      ['logs/2027', YEAR],
    ] as const) {
      const next = (slot: string) => join(registry.config.keysDirectory, folder, `${slot}.next.pem`);
      writeKey(next('log-checkpoint'), generateKey('Ed25519'));
      await decide('rotate-key', 'checkpoint', '--log', log);
      writeMlDsaKey(next('log-checkpoint-ml-dsa-44'));
      await decide('rotate-key', 'checkpoint-ml-dsa-44', '--log', log);
    }
    await Promise.all(Array.from({ length: 270 }, () => publish('/logs/2027/entries')));
    for (const member of ['alice', 'bob']) await withhold(shared, 'erasure', member);
    const restricted = await publish('/logs/2027/entries');
    await withhold(restricted, 'restriction', 'alice');
    const released = await publish('/logs/2027/entries');
    await withhold(released, 'restriction', 'alice');
    const path = `/api/v1/logs/2027/entries/${parseStatement(released).entryId}/restriction`;
    expect((await call(registry, 'delete', path, 'alice')).status).toBeLessThan(300);
    const late = await publish('/logs/2027/entries');
    await decide('close');
    await decide('open', '2028');
    await publish('/logs/2028/entries');
    writeKey(join(registry.config.keysDirectory, 'logs/2028/log-receipt.next.pem'), generateKey('P-256'));
    await decide('rotate-key', 'receipt', '--log', NEXT);
    await decide('freeze', '2027');
    for (const member of ['alice', 'bob']) await withhold(late, 'erasure', member); // on record in the first log alone
    await publish('/logs/2028/entries', late); // which brings nothing back
    await admitVendor(registry); // what 2028 rests on from now on
    await publish('/entries');
    await decide('retire', '2027');
    mirrored = await mirrorAll(mirror);
  }, 120_000);
  afterEach(async () => {
    for (const app of apps.splice(0)) await app.close();
    for (const source of sources.splice(0)) if (source.isInitialized) await source.destroy();
  });
  afterAll(async () => {
    await registry?.close();
    rmSync(cli.home, { recursive: true, force: true });
    rmSync(files, { recursive: true, force: true });
  });

  const tileStore = () => ({ TILE_STORE: 'directory', TILE_DIRECTORY: files });
  const draw = () => signSomeArtifact(vendor.uri, vendor.key, vendor.chain);
  const original = () => registry.app.get(Db);

  async function publish(path: string, statement = draw()): Promise<Uint8Array> {
    const headers = { 'content-type': 'application/cose' };
    const response = await fetch(`${registry.url}${path}`, { method: 'POST', headers, body: statement });
    expect(response.status, await response.text()).toBe(201);
    return statement;
  }
  async function withhold(statement: Uint8Array, what: string, member: string): Promise<void> {
    const path = `/api/v1/logs/2027/entries/${parseStatement(statement).entryId}/${what}`;
    const answer = await call(registry, 'post', path, member, { reason: 'Test.' });
    expect(answer.status, answer.text).toBeLessThan(300);
  }
  async function must<T>(args: string[], account?: string): Promise<T> {
    const who = account === undefined ? [] : ['--as', account];
    const finished = await cli.run(['--registry', registry.url, '--json', ...who, 'log', ...args]);
    expect(finished.code, finished.stderr + finished.stdout).toBe(0);
    return finished.json<T>();
  }
  async function decide(...args: string[]): Promise<void> {
    const { proposal } = await must<{ proposal: LogProposal }>([...args, '--reason', 'Test.'], 'alice');
    await must(['approve', proposal.id], 'bob');
  }
  async function refusal(args: string[]): Promise<string> {
    const finished = await cli.run(['--registry', registry.url, '--json', 'log', ...args]);
    return finished.json<{ error: { code: string } }>().error.code;
  }
  async function mirrorAll(directory: string) {
    const key = encodeVerifierKey(logKey.name, logKey.publicKey);
    const args = ['mirror', directory, '--all', '--from', registry.url, '--log-key', key];
    return (await must<{ mirrors: typeof mirrored }>(args)).mirrors;
  }
  async function empty(): Promise<Db> {
    const source = await openTestDatabase();
    sources.push(source);
    return new Db(source);
  }
  /** A mirror that a test may spoil. */
  function copyOf(from: string): string {
    const to = mkdtempSync(cli.path('copy-'));
    cpSync(from, to, { recursive: true });
    return to;
  }
  /** The registry's own directory and keys on the database that was made last. */
  async function open(): Promise<INestApplication> {
    const { dataDirectory, keysDirectory } = registry.config;
    const env = { PUBLIC_URL: registry.url, DATA_DIR: dataDirectory, KEYS_DIR: keysDirectory, ...tileStore() };
    const { config, secrets } = readConfig(env, 1);
    const source = sources.at(-1)!;
    const foundation = { config, secrets, clock: new SystemClock(), random: new SystemRandom(), source };
    const { app } = await createApp(foundation, pino({ level: 'silent' }));
    apps.push(app);
    return app;
  }

  /** What the tables say of logs beside their entries; times as records have them, in whole seconds. */
  const tables = async (db: Db) => ({
    logs: await db.query(
      `SELECT id, name, origin, state, date_trunc('second', closed_at) AS closed, date_trunc('second', frozen_at) AS frozen,
              date_trunc('second', retired_at) AS retired, final_checkpoint, final_signed_root FROM log ORDER BY id`,
    ),
    keys: await db.query(
      'SELECT log_id, purpose, spki, from_size, until_size, event_index, transition FROM log_key ORDER BY 1, 2, 4',
    ),
    policies: await db.query('SELECT log_id, version, index, document FROM registration_policy ORDER BY 1, 2'),
    erased: await db.query('SELECT entry, reason, record_entry_id FROM statement_erasure ORDER BY entry'),
  });

  it('are mirrored in one go, each where a tile store would have it, and again', async () => {
    expect(mirrored.map(({ log, directory, before }) => [log, directory, Number(before)])).toEqual([
      [FIRST, mirror, 0],
      [YEAR, join(mirror, 'logs/2027'), 0],
      [NEXT, join(mirror, 'logs/2028'), 0],
    ]);
    expect((await mirrorAll(mirror)).map(({ before, entries }) => before === entries)).toEqual([true, true, true]);
    // A mirror that was begun with fewer logs finds the new ones, and one whose list is damaged too.
    const grown = copyOf(old);
    writeFileSync(join(grown, 'logs.json'), '{"size":');
    expect((await mirrorAll(grown)).map(({ log }) => log)).toEqual([FIRST, YEAR, NEXT]);
    for (const place of [mirror, join(mirror, 'logs/2027'), join(mirror, 'logs/2028')]) {
      await must(['fsck', '--from', place, '--trust-first-use']);
      await must(['replay', '--from', place, '--trust-first-use', '--governance', mirror]);
    }
  });

  it.each(['mirror x --all --of 2027', 'rebuild --of 2027', 'state-hash --of 2027', 'recover --of 2027'])(
    'are brought back together, and not one by one: %s',
    async (command) => {
      expect(await refusal(command.split(' '))).toBe('cli/bad-usage');
    },
  );

  it.each([['mirror', 'x', '--all'], ['rebuild']])('are looked for beside the first one: %s', async (...command) => {
    expect(await refusal([...command, '--from', join(mirror, 'logs/2027'), '--trust-first-use'])).toBe('cli/bad-usage');
  });

  it('are the same again, row by row', async () => {
    const db = await empty();
    await rebuildLogs(db, mirror, logKey);
    const state = await hashLogState(db);
    expect(state).toEqual(await hashLogState(original()));
    expect(state.logs.map(({ origin }) => origin)).toEqual([FIRST, YEAR, NEXT]);
    const [made, first] = [await tables(db), await tables(original())];
    expect({ ...made, erased: [] }).toEqual({ ...first, erased: [] });
    expect(made.erased).toEqual(expect.arrayContaining(first.erased)); // and what was restricted, which no mirror has
    const [{ open: left }] = (await db.query(
      `SELECT count(*)::int AS open FROM statement s JOIN statement_erasure USING (entry)`,
    )) as [{ open: number }];
    expect(left).toBe(0);
  });

  it('answer completely again, the frozen one too, which takes no new record', async () => {
    const db = await empty();
    await rebuildLogs(db, mirror, logKey);
    const before = await hashLogState(db);
    const app = await open();
    const year = app.get(RunningLogs).findByOrigin(YEAR)!.app;
    const map = year.get(UpdateIndexMap);
    expect(await map.isDue()).toBe(true);
    await map.run();
    expect(await map.isDue()).toBe(false);
    const ask = async (of: Pick<INestApplication, 'get'>) => {
      const { head, position, entries } = await of
        .get(AnswerCompletely)
        .run({ key: { kind: 'vendor', value: vendor.id }, limit: 10 });
      return { size: head!.size, count: head!.count, position, indexes: entries.map(({ record }) => record.index) };
    };
    expect(await ask(year)).toEqual(await ask(registry.app.get(RunningLogs).findByOrigin(YEAR)!.app));
    expect(await db.query('SELECT size, root, record_index FROM index_map_state WHERE log_id = 2')).toEqual(
      await original().query('SELECT size, root, record_index FROM index_map_state WHERE log_id = 2'),
    );
    expect(await hashLogState(db)).toEqual(before);
  });

  it.each([
    [
      'a log without a mirror',
      (m: string) => rmSync(join(m, 'logs/2028'), { recursive: true }),
      /no mirror of 2028\.log/,
    ],
    [
      'a changed entry',
      (m: string) => {
        const file = join(m, 'logs/2027/evidence/000');
        const bytes = readFileSync(file);
        bytes[bytes.indexOf('governance-seen')]! ^= 1;
        writeFileSync(file, bytes);
      },
      /Entry \d+ is .*, and the statement shown for it is/,
    ],
    [
      'a missing entry',
      (m: string) => rmSync(join(m, 'logs/2027/evidence/000')),
      /does not hold the evidence of entries from 0/,
    ],
    [
      'one log in the place of another',
      (m: string) => {
        renameSync(join(m, 'logs/2027'), join(m, 'logs/x'));
        renameSync(join(m, 'logs/2028'), join(m, 'logs/2027'));
        renameSync(join(m, 'logs/x'), join(m, 'logs/2028'));
      },
      /2028\.log\.registry\.localhost, not of 2027/,
    ],
    [
      'a mirror from before the freeze',
      (m: string) => {
        rmSync(join(m, 'logs/2027'), { recursive: true });
        cpSync(join(old, 'logs/2027'), join(m, 'logs/2027'), { recursive: true });
      },
      /2027\.log.* was frozen with \d+ entries, and its copy has \d+/,
    ],
    [
      'a retired log without its last signature',
      (m: string) => rmSync(join(m, 'logs/2027/checkpoint.cose')),
      /2027\.log.* is retired, and its copy has no signed root/,
    ],
    [
      'a first log that is older than what another rests on',
      (m: string) => {
        const newer = mkdtempSync(cli.path('newer-'));
        cpSync(join(m, 'logs/2027'), newer, { recursive: true });
        rmSync(m, { recursive: true });
        cpSync(old, m, { recursive: true });
        rmSync(join(m, 'logs/2027'), { recursive: true });
        cpSync(newer, join(m, 'logs/2027'), { recursive: true });
      },
      /2027\.log.* (is frozen, and the first log does not say so|rests on \d+ entries of the first log, and that has \d+)/,
    ],
  ])('are not made from %s', async (_, spoil, message) => {
    const [db, spoilt] = [await empty(), copyOf(mirror)];
    spoil(spoilt);
    await expect(rebuildLogs(db, spoilt, logKey)).rejects.toThrow(message);
    const [{ rows }] = (await db.query('SELECT count(*)::int AS rows FROM log_entry')) as [{ rows: number }];
    expect(rows).toBe(0);
  });

  it('are not made from a mirror of one that is not the first', async () => {
    const db = await empty();
    const key = registry.app.get(RunningLogs).findByOrigin(NEXT)!.app.get(LogIdentity).firstVerifierKey;
    await expect(rebuildLogs(db, join(mirror, 'logs/2028'), parseVerifierKey(key))).rejects.toThrow(
      /2028\.log.* is not the first log of its registry: name the mirror of log\.registry\.localhost/,
    );
  });

  it('are brought forward in a database that is older than any of them, with those that it does not have', async () => {
    const db = await empty();
    await rebuildLogs(db, old, logKey); // as a backup would be
    const app = await open();
    const said: string[] = [];
    const recovery = new RecoverLogs(app, (line) => said.push(line));
    expect(await recovery.complaints()).toEqual([
      expect.stringContaining(`${FIRST}: This log has`),
      expect.stringMatching(/^2027\.log.*: This log has \d+ entries, and .* has seen \d+/),
    ]);

    const copy = PublicLog.first(mirror);
    const before = await hashLogState(db);
    expect(await recovery.look(copy)).toBe(true);
    expect(await hashLogState(db)).toEqual(before);
    expect(said.join('\n')).toMatch(/^2027\.log[^:]*: The copy has \d+ entries, the database \d+\. The copy leads on/m);
    expect(said.join('\n')).toMatch(
      /^2028\.log[^:]*: the database does not have this log, and the copy has \d+ entries/m,
    );

    const unproven = copyOf(mirror);
    const description = JSON.parse(readFileSync(join(unproven, 'log.json'), 'utf8')) as {
      checkpointHistory: { transition?: string }[];
    };
    delete description.checkpointHistory[1]!.transition;
    writeFileSync(join(unproven, 'log.json'), JSON.stringify(description));
    await expect(recovery.run(PublicLog.first(unproven))).rejects.toThrow(/not signed with the key of log\.registry/);
    expect(await hashLogState(db)).toEqual(before);

    await recovery.run(copy);
    await recovery.checkLatches();
    expect(await recovery.complaints()).toEqual([]);
    expect(await hashLogState(db)).toEqual(await hashLogState(original()));
    const [made, first] = [await tables(db), await tables(original())];
    expect({ ...made, erased: [] }).toEqual({ ...first, erased: [] });
    expect(made.erased).toEqual(expect.arrayContaining(first.erased));
    await recovery.run(copy);
    expect(await hashLogState(db)).toEqual(await hashLogState(original()));
  });

  it('are behind when one of them alone is behind its tiles, and that one is brought forward', async () => {
    const db = await empty();
    const older = copyOf(mirror);
    const entries = await publish('/entries').then(() => mirrorAll(mirror));
    expect(Number(entries[2]!.entries)).toBeGreaterThan(Number(entries[2]!.before));
    for (const app of [registry.app, registry.app.get(RunningLogs).findByOrigin(NEXT)!.app]) {
      await app.get(PublishTiles).run();
    }
    await rebuildLogs(db, older, logKey);
    const app = await open();
    const recovery = new RecoverLogs(app, () => undefined);
    expect(await recovery.complaints()).toEqual([expect.stringMatching(/^2028\.log.* has seen/)]);
    const next = app.get(RunningLogs).findByOrigin(NEXT)!.app;
    expect(() => next.get(RollbackLatch).refuseWrites()).toThrow(expect.objectContaining({ code: 'log/behind' }));
    expect(app.get(RollbackLatch).complaint()).toBeUndefined();

    const lacking = copyOf(mirror);
    rmSync(join(lacking, 'logs/2028'), { recursive: true });
    await recovery.run(PublicLog.first(lacking));
    await recovery.checkLatches();
    expect(await recovery.complaints()).toHaveLength(1);
    await recovery.run(PublicLog.first(files)); // as it lies in the tile store
    await recovery.checkLatches();
    expect(await recovery.complaints()).toEqual([]);
    expect(await hashLogState(db)).toEqual(await hashLogState(original()));
  });
});
