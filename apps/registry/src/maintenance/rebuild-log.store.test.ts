import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { parseEvidence } from '@margo-trust/auditor';
import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { parseVerifierKey } from '@margo-trust/tlog';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { TestCli } from '../../../../test/cli.ts';
import { openTestDatabase } from '../../../../test/database.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { Db } from '../db/db.ts';
import { SystemRandom } from '../random.ts';
import { appendEntries } from '../log/append-entries.ts';
import { LogIdentity } from '../log/log-identity.ts';
import { LogReader } from '../log/log.reader.ts';
import { LogStore } from '../log/log.store.ts';
import { rebuildLogs } from './rebuild-logs.ts';
import { runMaintenance } from './run-maintenance.ts';
import { hashLogState } from './state-hash.ts';

describe('a log rebuilt from its mirror', () => {
  const cli = new TestCli();
  const mirror = cli.path('mirror');
  let registry: TestRegistry;
  let logKey: string;
  const sources: DataSource[] = [];

  beforeAll(async () => {
    registry = await startTestRegistry();
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    const headers = { 'content-type': 'application/cose' };
    for (let n = 0; n < 11; n += 1) {
      const bodies = Array.from({ length: 50 }, () =>
        signSomeArtifact(`https://${id}.vendors.registry.localhost/`, key, chain),
      );
      await Promise.all(bodies.map((body) => fetch(`${registry.url}/entries`, { method: 'POST', headers, body })));
    }
    await appendRaw('{"kind":"hashedrekord"}');
    await registry.source.query('DELETE FROM statement WHERE entry = (SELECT entry FROM log_entry WHERE index = 300)');
    logKey = ((await (await fetch(`${registry.url}/log/log.json`)).json()) as { checkpointKey: string }).checkpointKey;
    const args = ['log', 'mirror', mirror, '--from', registry.url, '--log-key', logKey];
    expect((await cli.run(args)).code).toBe(0);
    // What the mirror has copied before these decisions it keeps.
    await decide(20, 'restriction', 'alice');
    await decide(21, 'restriction', 'alice');
    await decide(22, 'restriction', 'alice');
    expect((await call(registry, 'delete', `${await entryAt(21)}/restriction`, 'alice')).status).toBeLessThan(300);
    for (const index of [22, 23]) for (const account of ['alice', 'bob']) await decide(index, 'erasure', account);
    expect((await cli.run(args)).code).toBe(0);
  });
  afterEach(async () => {
    for (const source of sources.splice(0)) await source.destroy();
  });
  afterAll(async () => {
    await registry?.close();
    rmSync(cli.home, { recursive: true, force: true });
  });

  async function appendRaw(text: string): Promise<void> {
    const raw = encodeUtf8(text);
    const facts = { contentType: 'application/json', issuer: 'https://vendor.example/', subject: 'raw' };
    const entry = { ...facts, entry: sha256(raw), raw, chain: [], mentions: ['b', 'a'] };
    const { app } = registry;
    await app
      .get(Db)
      .transaction((tx) => appendEntries(tx, app.get(LogStore), app.get(LogIdentity).logId, [entry], new Date()));
  }
  async function entryAt(index: number): Promise<string> {
    const [row] = await registry.source.query<{ entry: Buffer }[]>(
      `SELECT entry FROM log_entry WHERE index = ${index}`,
    );
    return `/api/v1/log/entries/${row!.entry.toString('base64url')}`;
  }
  async function decide(index: number, what: string, account: string): Promise<void> {
    const path = `${await entryAt(index)}/${what}`;
    const answer = await call(registry, 'post', path, account, { reason: `Case ${index}.` });
    expect(answer.status, answer.text).toBeLessThan(300);
  }
  const withheld = (db: Db) =>
    db.query<{ kind: string; index: string; reason: string; record: string; at: Date }>(
      `SELECT kind, index::int, reason, record, at FROM (
         SELECT 'erased' AS kind, entry, reason, record_entry_id AS record, erased_at AS at FROM statement_erasure
         UNION ALL SELECT 'restricted', entry, reason, record_entry_id, restricted_at FROM restricted_statement) w
       JOIN log_entry USING (entry) ORDER BY index`,
    );
  async function empty(): Promise<Db> {
    const source = await openTestDatabase();
    sources.push(source);
    return new Db(source);
  }
  const original = () => registry.app.get(Db);

  it('is the same, row by row, and goes on from its head', async () => {
    const [db, seen] = [await empty(), [] as string[]];
    await rebuildLogs(db, mirror, parseVerifierKey(logKey), (done, of) => seen.push(`${done} of ${of}`));
    const state = await hashLogState(db);
    expect(state).toEqual(await hashLogState(original()));
    const { size } = state.logs[0]!;
    expect(seen.at(-1)).toBe(`${size} of ${size}`);

    const [identity, store] = [{ logId: 1 } as LogIdentity, new LogStore(new SystemRandom(), db)];
    const reader = new LogReader(db, identity);
    expect(await reader.loadHead()).toMatchObject({ size });
    const entry = { entry: sha256(encodeUtf8('next')), body: encodeUtf8('next') };
    const facts = { ...entry, chain: [], contentType: 'x', issuer: 'https://x', subject: 'x', mentions: [] };
    await db.transaction((tx) => appendEntries(tx, store, 1, [facts], new Date()));
    expect(await reader.loadHead()).toMatchObject({ size: size + 1n });
    expect((await hashLogState(db)).stateHash).not.toBe(state.stateHash);
    const policies = (source: Db) => source.query('SELECT version, index, document FROM registration_policy');
    expect(await policies(db)).toEqual(await policies(original()));
  });

  it('withholds what was withheld, for the same reasons, although its mirror still has it', async () => {
    const db = await empty();
    await rebuildLogs(db, mirror, parseVerifierKey(logKey));
    const wholeSeconds = (rows: Awaited<ReturnType<typeof withheld>>) =>
      rows.map(({ at, ...row }) => ({ ...row, at: Math.floor(at.getTime() / 1000) }));
    const found = wholeSeconds(await withheld(db));
    expect(found).toEqual(wholeSeconds(await withheld(original())));
    expect(found.map(({ kind, index }) => [kind, index])).toEqual([
      ['restricted', 20], // the mirror had its bytes
      ['erased', 22],
      ['erased', 23],
    ]);

    const fresh = cli.path('fresh'); // a mirror that never saw them
    expect((await cli.run(['log', 'mirror', fresh, '--from', registry.url, '--log-key', logKey])).code).toBe(0);
    const other = await empty();
    await rebuildLogs(other, fresh, parseVerifierKey(logKey));
    expect((await withheld(other)).map(({ kind, index, reason }) => [kind, index, reason])).toEqual([
      ['erased', 20, 'Case 20.'],
      ['erased', 22, 'Case 22.'],
      ['erased', 23, 'Case 23.'],
    ]);
    expect(await hashLogState(other)).toEqual(await hashLogState(original()));
  });

  it.each([
    ['SELECT 1', true],
    ["UPDATE log_entry SET subject = 'x' WHERE index = 5", false],
    ["UPDATE log_entry SET mentions = '{x}' WHERE index = 500", false],
    ["UPDATE log_seal SET committed_at = committed_at + interval '1 ms' WHERE size = 2", false],
    [
      "UPDATE log_tile SET root = hashes_root.root FROM (SELECT sha256('x') AS root) hashes_root WHERE level = 0",
      false,
    ],
    ["UPDATE log_head SET frontier = frontier || sha256('x')", false],
    ['UPDATE log_head SET governance_size = 3', false],
    ['UPDATE log_head SET policy_index = 1', false],
    ['UPDATE log_head SET closed = true', false],
    [
      "UPDATE statement SET timestamp_token = '\\x01' WHERE entry = (SELECT entry FROM log_entry WHERE index = 9)",
      false,
    ],
  ])('has another state hash after %s: %s', async (sql, isSame) => {
    const before = await hashLogState(original());
    const runner = registry.source.createQueryRunner();
    await runner.startTransaction();
    try {
      for (const table of ['log_entry', 'log_seal', 'log_tile', 'log_head', 'statement']) {
        await runner.query(`ALTER TABLE ${table} DISABLE TRIGGER ALL`);
      }
      await runner.query(sql);
      const inside = {
        query: (text: string, parameters: unknown[]) => runner.query(text, parameters),
      } as unknown as Db;
      expect((await hashLogState(inside)).stateHash === before.stateHash).toBe(isSame);
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
  });

  it('is not made from a mirror that lies, nor over a log that is there', async () => {
    const damaged = cli.path('damaged');
    cpSync(mirror, damaged, { recursive: true });
    const file = cli.path('damaged', 'evidence', '001');
    const bytes = readFileSync(file);
    // In an entry: of what lies beside entries not every byte is bound by the tree.
    const { entry } = parseEvidence(new Uint8Array(bytes)).rows[100]!;
    bytes[bytes.indexOf(entry) + 7]! ^= 1;
    writeFileSync(file, bytes);
    const db = await empty();
    await expect(rebuildLogs(db, damaged, parseVerifierKey(logKey))).rejects.toThrow(/./);
    const [{ rows }] = (await db.query('SELECT count(*)::int AS rows FROM log_entry')) as [{ rows: number }];
    expect(rows).toBe(0);
    await expect(rebuildLogs(db, cli.path('nowhere'), parseVerifierKey(logKey))).rejects.toThrow(/a mirror of a log/);

    await rebuildLogs(db, mirror, parseVerifierKey(logKey));
    await expect(rebuildLogs(db, mirror, parseVerifierKey(logKey))).rejects.toThrow(/holds a log already/);
  });

  it.each([[[]], [['rebuild']], [['state-hash', 'x']], [['--nonsense']]])(
    'wants a right command line: %j',
    async (args) => {
      expect(await runMaintenance(args, {})).toBe(2);
    },
  );
});
