import { sign, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { encodeBase64Url, encodeUtf8 } from '@margo-trust/bytes';
import { parsePublicKey, sha256 } from '@margo-trust/crypto';
import { hashLeaf } from '@margo-trust/merkle';
import { encodeRegistrationPolicy, FOUNDING_POLICY } from '@margo-trust/policy';
import { verifyReceipt, type ReceiptKey } from '@margo-trust/receipt';
import { CONTENT, draftStatement, finishStatement, parseStatement } from '@margo-trust/statement';
import {
  encodeCheckpoint,
  encodeNote,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  verifierKeyId,
  verifyTlogProof,
} from '@margo-trust/tlog';
import { parsePem } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { TestCli } from '../../../../test/cli.ts';
import { admitVendor, issueTo, makeCsr } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { Db } from '../db/db.ts';
import { appendEntries } from './append-entries.ts';
import { AppendRecord } from './append-record.ts';
import { ed25519Raw, LogIdentity } from './log-identity.ts';
import { LogStore } from './log.store.ts';
import { toNewEntry } from './admission/statement-facts.ts';
import { UpdateIndexMap } from './search/update-index-map.ts';

/** Enough for a full tile and a partial one. */
const STATEMENTS = 300;

describe('an auditor with the public address and the command line', () => {
  const cli = new TestCli();
  let registry: TestRegistry;
  let vendor: { id: string; uri: string; key: KeyObject; chain: string };
  let logKey: string;
  const proxies: Server[] = [];

  beforeAll(async () => {
    registry = await startTestRegistry();
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    vendor = { id, key, chain, uri: `https://${id}.vendors.registry.localhost/` };
    await publish(STATEMENTS);
    const description = (await (await fetch(`${registry.url}/log/log.json`)).json()) as { checkpointKey: string };
    logKey = description.checkpointKey;
  });
  afterAll(async () => {
    for (const proxy of proxies) proxy.close();
    await registry?.close();
    rmSync(cli.home, { recursive: true, force: true });
  });

  async function publish(count: number): Promise<void> {
    const headers = { 'content-type': 'application/cose' };
    const post = async () => {
      const body = signSomeArtifact(vendor.uri, vendor.key, vendor.chain);
      return (await fetch(`${registry.url}/entries`, { method: 'POST', headers, body })).status;
    };
    for (let n = 0; n < count; n += 50) {
      const statuses = await Promise.all(Array.from({ length: Math.min(50, count - n) }, post));
      expect(new Set(statuses)).toEqual(new Set([201]));
    }
  }

  const audit = async (command: string[], from = registry.url) => {
    const finished = await cli.run(['log', ...command, '--from', from, '--log-key', logKey, '--json']);
    return { code: finished.code, ...finished.json<Answer>() };
  };
  interface Answer {
    ok: boolean;
    error?: { code: string; message: string };
    fsck?: Record<string, unknown>;
    replay?: Record<string, unknown>;
    mirror?: Record<string, unknown>;
    proof?: Record<string, unknown>;
  }
  const size = async () => parseCheckpoint(parseNote(await load(`${registry.url}/log/checkpoint`)).text).size;
  const load = async (url: string) => new Uint8Array(await (await fetch(url)).arrayBuffer());

  /** A server in front that tells the truth but for some paths. */
  async function liar(lies: Record<string, () => Uint8Array | Promise<Uint8Array>>): Promise<string> {
    const server = createServer((request, response) => {
      const path = request.url ?? '';
      const lie = Object.entries(lies).find(([pattern]) => new RegExp(pattern).test(path))?.[1];
      const answer = lie ? Promise.resolve(lie()).then((bytes) => ({ status: 200, bytes })) : pass(path);
      answer.then(
        ({ status, bytes }) => response.writeHead(status).end(bytes),
        () => response.writeHead(502).end(),
      );
    });
    const pass = async (path: string) => {
      const answer = await fetch(`${registry.url}${path}`);
      return { status: answer.status, bytes: new Uint8Array(await answer.arrayBuffer()) };
    };
    proxies.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** What nobody but a superuser with intent can do. */
  async function tamper(table: string, sql: string, parameters: unknown[]): Promise<unknown> {
    return registry.source.transaction(async (tx) => {
      await tx.query(`ALTER TABLE ${table} DISABLE TRIGGER ALL`);
      const result: unknown = await tx.query(sql, parameters);
      await tx.query(`ALTER TABLE ${table} ENABLE TRIGGER ALL`);
      return result;
    });
  }

  /** The log's own key signs whatever a liar likes. */
  async function signedCheckpoint(at: bigint, root: Uint8Array): Promise<Uint8Array> {
    const { origin, checkpoint } = registry.app.get(LogIdentity);
    const text = encodeCheckpoint({ origin, size: at, root, extensions: [] });
    const keyHash = verifierKeyId(origin, ed25519Raw(checkpoint.spki)).slice(0, 4);
    return encodeNote({
      text,
      signatures: [{ name: origin, keyHash, signature: await checkpoint.sign(encodeUtf8(text)) }],
    });
  }

  it('finds nothing wrong with an honest log', async () => {
    const entries = (await size()).toString();
    const { code, fsck } = await audit(['fsck', '--receipts', 'all', '--signatures']);
    expect({ code, fsck }).toMatchObject({
      code: 0,
      fsck: { entries, erased: 0, receipts: Number(entries), signatures: Number(entries), tiles: 3 },
    });
    expect(await audit(['replay'])).toMatchObject({
      code: 0,
      replay: { entries, admissions: STATEMENTS, policies: 1 },
    });
  });

  it('keeps a mirror, audits it like the log, and brings it up to date', async () => {
    const directory = cli.path('mirror');
    const first = await size();
    expect(await audit(['mirror', directory])).toMatchObject({
      code: 0,
      mirror: { entries: first.toString(), before: '0' },
    });
    expect(await audit(['fsck'], directory)).toMatchObject({ code: 0, fsck: { entries: first.toString() } });
    expect(await audit(['replay'], directory)).toMatchObject({ code: 0 });

    await publish(250);
    const grown = await audit(['mirror', directory]);
    expect(grown).toMatchObject({ code: 0, mirror: { entries: (first + 250n).toString(), before: first.toString() } });
    expect(await audit(['fsck'], directory)).toMatchObject({ code: 0, fsck: { entries: (first + 250n).toString() } });
    expect(await audit(['mirror', directory])).toMatchObject({
      code: 0,
      mirror: { before: (first + 250n).toString() },
    });
    expect(await audit(['mirror', cli.path('copy')], directory)).toMatchObject({ code: 0 });
  });

  it('notices when a mirror is damaged', async () => {
    const directory = cli.path('copy');
    const path = cli.path('copy', 'tile', '0', '001');
    writeFileSync(path, new Uint8Array(8192));
    expect(await audit(['fsck'], directory)).toMatchObject({ code: 35, error: { code: 'audit/wrong-tile' } });
  });

  it('finds a forked checkpoint', async () => {
    const fork = () => size().then((at) => signedCheckpoint(at, sha256(encodeUtf8('fork'))));
    const url = await liar({ '/log/checkpoint$': fork });
    const seen = await audit(['fsck'], url);
    expect(seen).toMatchObject({ code: 24, error: { code: 'audit/wrong-root' } });
    expect(await audit(['mirror', cli.path('mirror')], url)).toMatchObject({ code: 24, error: { code: 'audit/fork' } });
    expect(await audit(['fsck'], cli.path('mirror')), 'the mirror is as it was').toMatchObject({ code: 0 });
  });

  it('finds a log that went back', async () => {
    const { root } = parseCheckpoint(parseNote(await load(`${registry.url}/log/checkpoint`)).text);
    const url = await liar({ '/log/checkpoint$': () => signedCheckpoint(200n, root) });
    expect(await audit(['mirror', cli.path('mirror')], url)).toMatchObject({
      code: 24,
      error: { code: 'audit/rollback' },
    });
  });

  it('finds a dropped entry', async () => {
    const [row] = (await registry.source.query('SELECT * FROM log_entry WHERE index = 270')) as Record<
      string,
      unknown
    >[];
    expect(row).toBeDefined();
    await tamper('log_entry', 'DELETE FROM log_entry WHERE index = 270', []);
    const { code, error } = await audit(['fsck']);
    await insert('log_entry', row!);
    expect(await audit(['fsck'])).toMatchObject({ code: 0 });
    expect({ code, error }).toMatchObject({ code: 30, error: { code: 'audit/missing-entry' } });
    expect(error?.message).toMatch(/^Entry 270 is missing/);
  });

  async function insert(table: string, row: Record<string, unknown>): Promise<void> {
    const names = Object.keys(row);
    const places = names.map((_, n) => `$${n + 1}`);
    await tamper(table, `INSERT INTO ${table} (${names.join()}) VALUES (${places.join()})`, Object.values(row));
  }

  it('finds a changed statement', async () => {
    // The registry itself would refuse to serve a statement that is not what was logged: so somebody in front changes it.
    const [{ body }] = (await registry.source.query(
      'SELECT body FROM statement WHERE entry = (SELECT entry FROM log_entry WHERE index = 123)',
    )) as [{ body: Buffer }];
    const from = await liar({
      '/log/evidence/000$': async () => {
        const bundle = Buffer.from(await load(`${registry.url}/log/evidence/000`));
        const at = bundle.indexOf(body) + body.length - 70;
        bundle.writeUInt8(bundle.readUInt8(at) ^ 1, at);
        return bundle;
      },
    });
    const { code, error } = await audit(['fsck'], from);
    expect({ code, error }).toMatchObject({ code: 31, error: { code: 'audit/changed-statement' } });
    expect(error?.message).toMatch(/^Entry 123 /);
  });

  it('finds a statement that was replaced by another, entry and all', async () => {
    const other = parseStatement(signSomeArtifact(vendor.uri, vendor.key, vendor.chain));
    const { mentions } = toNewEntry(other);
    const [row] = (await registry.source.query('SELECT entry, subject, mentions FROM log_entry WHERE index = 124')) as [
      { entry: Buffer; subject: string; mentions: string[] },
    ];
    const replace = ({
      entry,
      subject,
      mentions: terms,
    }: {
      entry: Uint8Array;
      subject: string;
      mentions: readonly string[];
    }) =>
      tamper('log_entry', 'UPDATE log_entry SET entry = $1, subject = $2, mentions = $3 WHERE index = 124', [
        Buffer.from(entry),
        subject,
        terms,
      ]);
    await registry.source.query(
      'INSERT INTO statement (entry, body, chain_id) SELECT $1, $2, chain_id FROM statement WHERE entry = $3',
      [Buffer.from(other.entry), Buffer.from(other.stripped), row.entry],
    );
    await replace({ ...other, mentions });
    const { code, error } = await audit(['fsck']);
    await replace(row);
    expect({ code, error }).toMatchObject({ code: 31, error: { code: 'audit/changed-statement' } });
    expect(error?.message).toMatch(/^Entry 124 /);
    expect(await audit(['fsck'])).toMatchObject({ code: 0 });
  });

  it('finds a receipt of the wrong log, and a checkpoint of one', async () => {
    const other = await startTestRegistry();
    try {
      const entry = parseStatement(await load(`${other.url}/entries/${await firstEntry(other)}/statement`));
      const receipt = () => load(`${other.url}/entries/${entry.entryId}`);
      const wrong = await liar({ '^/entries/': receipt });
      const { code, error } = await audit(['fsck', '--receipts', '3'], wrong);
      expect({ code, error }).toMatchObject({ code: 33, error: { code: 'audit/other-log' } });
      expect(error?.message).toMatch(/^The receipt of entry \d+ is of another log/);
      const checkpoint = await liar({ '/log/checkpoint$': () => load(`${other.url}/log/checkpoint`) });
      expect(await audit(['fsck'], checkpoint)).toMatchObject({ code: 33, error: { code: 'audit/other-log' } });
      expect(await audit(['fsck'], other.url)).toMatchObject({ code: 33, error: { code: 'audit/other-log' } });
    } finally {
      await other.close();
    }
  });

  const firstEntry = async ({ source }: TestRegistry) => {
    const [{ entry }] = (await source.query('SELECT entry FROM log_entry WHERE index = 0')) as [{ entry: Buffer }];
    return encodeBase64Url(entry);
  };

  it('proves an entry from static files, by index and by EntryID, from the service and from a mirror', async () => {
    const key = parseVerifierKey(logKey);
    const [{ entry }] = (await registry.source.query('SELECT entry FROM log_entry WHERE index = 299')) as [
      { entry: Buffer },
    ];
    const id = encodeBase64Url(entry);
    for (const from of [registry.url, cli.path('mirror')]) {
      for (const named of ['299', id]) {
        const file = cli.path('entry.tlog-proof');
        const receipt = cli.path('entry.receipt');
        const proved = await audit(['prove', named, '--proof', file, '--receipt', receipt], from);
        expect(proved).toMatchObject({ code: 0, proof: { entryId: id } });
        const logged = { entry: Uint8Array.from(entry), stripped: new Uint8Array() };
        expect(verifyReceipt(Uint8Array.from(readFileSync(receipt)), logged, [receiptKey()]).index).toBe(299n);
        const { index } = verifyTlogProof(Uint8Array.from(readFileSync(file)), hashLeaf(Uint8Array.from(entry)), key);
        expect(index).toBe(299n);
      }
      const nobody = encodeBase64Url(new Uint8Array(32));
      expect(await audit(['prove', nobody], from)).toMatchObject({ code: 11, error: { code: 'cli/not-found' } });
    }
    expect(await audit(['prove', '9999999'])).toMatchObject({ code: 11 });
    expect(await audit(['prove', 'nonsense'])).toMatchObject({ code: 2 });
    const lying = await liar({ '/log/tile/1/': () => new Uint8Array(64) });
    expect(await audit(['prove', '299'], lying)).toMatchObject({ code: 35, error: { code: 'audit/wrong-tile' } });
  });

  const receiptKey = (): ReceiptKey => {
    const { receipt, issuer, origin } = registry.app.get(LogIdentity);
    const key = parsePublicKey(receipt.signer.spki);
    return { kid: receipt.kid, key, issuer, origin, leafFormat: 'cose-digest' };
  };

  const events = async (command: string[], from = registry.url) => {
    const { code, stdout } = await cli.run([
      'log',
      ...command,
      '--from',
      from,
      '--log-key',
      logKey,
      '--once',
      '--json',
    ]);
    // Events are one line each, and the outcome, which begins a line with nothing but a brace, comes last.
    const lines = stdout
      .slice(0, Math.max(0, stdout.indexOf('{\n')))
      .split('\n')
      .filter((line) => line !== '');
    return { code, events: lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
  };

  it('follows the log', async () => {
    const all = await events(['follow', '--all']);
    expect(all.events.map(({ index }) => index)).toEqual(
      Array.from({ length: Number(await size()) }, (_, n) => String(n)),
    );
    const { events: some } = await events([
      'follow',
      '--all',
      '--certificate',
      String(all.events.at(-1)!['certificateFingerprint']),
    ]);
    expect(some.length).toBeGreaterThan(STATEMENTS);
    expect(some.at(-1)).toMatchObject({ vendorId: vendor.id, issuer: vendor.uri });
    expect((await events(['follow'])).events).toEqual([]);
  });

  describe('with a monitor', () => {
    const watch = (more: string[] = [], from = registry.url) =>
      events(['monitor', '--state', cli.path('state.json'), '--vendor', vendor.id, ...more], from);
    const state = () => readFileSync(cli.path('state.json'), 'utf8');

    it('hears of every entry of a name, once, and hands it to a hook', async () => {
      expect(await watch()).toMatchObject({ code: 0, events: [{ event: 'watching' }] });
      expect(await watch()).toMatchObject({ code: 0, events: [] });
      await publish(2);
      const heard = cli.path('heard');
      const { code, events: told } = await watch(['--hook', `cat >> ${heard}`]);
      expect({ code, told }).toMatchObject({
        code: 0,
        told: [{ event: 'entry' }, { event: 'entry' }, { event: 'grown' }],
      });
      expect(told[0]).toMatchObject({ vendorId: vendor.id });
      const lines = readFileSync(heard, 'utf8').trimEnd().split('\n');
      expect(lines.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual(['entry', 'entry', 'grown']);
      expect((await watch()).events).toEqual([]);
    });

    it('tells again what its hook did not take', async () => {
      await publish(1);
      const before = state();
      expect((await watch(['--hook', 'false'])).code).toBe(1);
      expect(state()).toBe(before);
      expect((await watch()).events).toMatchObject([{ event: 'entry' }, { event: 'grown' }]);
    });

    it('raises an alarm for a fork and a rollback, and goes no further', async () => {
      const before = state();
      const fork = await liar({
        '/log/checkpoint$': async () => signedCheckpoint(await size(), sha256(encodeUtf8('fork'))),
      });
      expect(await watch([], fork)).toMatchObject({ code: 24, events: [{ event: 'alarm', code: 'audit/fork' }] });
      await publish(1);
      const later = await watch([], fork);
      expect(later).toMatchObject({ code: 24, events: [{ event: 'alarm', code: 'audit/fork' }] });
      const back = await liar({ '/log/checkpoint$': () => signedCheckpoint(5n, new Uint8Array(32)) });
      expect(await watch([], back)).toMatchObject({ code: 24, events: [{ event: 'alarm', code: 'audit/rollback' }] });
      expect(state()).toBe(before);
      expect((await watch()).code).toBe(0);
    });

    it('raises an alarm when it may have missed something', async () => {
      await publish(1);
      const [row] = (await registry.source.query(
        'SELECT s.* FROM log_entry e JOIN statement s ON s.entry = e.entry ORDER BY index DESC LIMIT 1',
      )) as [Record<string, unknown>];
      await tamper('statement', 'DELETE FROM statement WHERE entry = $1', [row['entry']]);
      const missed = await watch();
      await insert('statement', row);
      expect(missed.code).toBe(36);
      expect(missed.events).toContainEqual(
        expect.objectContaining({ event: 'alarm', code: 'monitor/may-have-missed' }),
      );

      const down = 'http://127.0.0.1:1';
      expect(await watch([], down)).toMatchObject({
        code: 36,
        events: [{ event: 'alarm', code: 'monitor/unreachable' }],
      });
    });

    it('raises an alarm when nothing was logged for too long', async () => {
      await new Promise((resolve) => setTimeout(resolve, 1_100));
      expect(await watch(['--max-age', '1s'])).toMatchObject({
        code: 22,
        events: [{ event: 'alarm', code: 'monitor/stale' }],
      });
      expect(await watch(['--max-age', '1h'])).toMatchObject({ code: 0, events: [] });
    });

    it('does not go on from a state of another log, or from none of its own', async () => {
      writeFileSync(cli.path('state.json'), '{"checkpoint":"nonsense"}');
      expect((await watch()).events).toMatchObject([{ event: 'alarm', code: 'audit/bad-checkpoint' }]);
      writeFileSync(cli.path('state.json'), 'nonsense');
      expect((await watch()).code).toBe(1);
    });
  });

  it('finds a back-dated policy', async () => {
    // Admitted first, by nobody's leave; the policy that allows it comes afterwards.
    const contentType = 'application/x-not-yet-admitted';
    const chain = parsePem('CERTIFICATE', vendor.chain);
    const draft = draftStatement({
      ...{ algorithm: 'ES256', issuer: vendor.uri, subject: 'x', contentType, payload: encodeUtf8('x') },
      ...{ issuedAt: new Date(), signer: { leafDer: chain[0]! } },
    });
    const signature = sign('sha256', draft.toBeSigned, { key: vendor.key, dsaEncoding: 'ieee-p1363' });
    const statement = parseStatement(finishStatement(draft, Uint8Array.from(signature), { chain }));
    const { app } = registry;
    const entry = { ...toNewEntry(statement), vendorId: vendor.id };
    const admitted = await size();
    await app
      .get(Db)
      .transaction((tx) => appendEntries(tx, app.get(LogStore), app.get(LogIdentity).logId, [entry], new Date()));
    expect(await audit(['replay'])).toMatchObject({ code: 34, error: { code: 'audit/wrong-admission' } });

    const policy = {
      ...FOUNDING_POLICY,
      version: 2,
      statements: [...FOUNDING_POLICY.statements, { contentType, payload: 'opaque' as const }],
    };
    const payload = JSON.parse(Buffer.from(encodeRegistrationPolicy(policy)).toString()) as object;
    await app
      .get(Db)
      .transaction((tx) => app.get(AppendRecord).run(tx, { subject: 'policy', contentType: CONTENT.policy, payload }));
    expect(await audit(['fsck']), 'the tree itself is in order').toMatchObject({ code: 0 });
    const { code, error } = await audit(['replay']);
    expect({ code, error }).toMatchObject({ code: 32, error: { code: 'audit/back-dated-policy' } });
    expect(error?.message).toContain(`Entry ${admitted} was admitted; by the policy of entry 0 (version 1)`);
    expect(error?.message).toContain(`Only the policy of entry ${admitted + 1n} (version 2) admits it`);
  });

  it('finds an index that leaves an entry out, while it watches', async () => {
    const state = cli.path('index-state.json');
    const watch = (...more: string[]) => events(['monitor', '--state', state, ...more], registry.url);
    expect((await watch()).code).toBe(0);
    const { app } = registry;
    await app.get(UpdateIndexMap).run();
    expect(await watch('--index')).toMatchObject({ code: 0 });

    const before = readFileSync(state, 'utf8');
    await publish(1);
    const planted = ((await size()) - 1n).toString();
    const forget = (id: string | null) =>
      tamper('log_entry', 'UPDATE log_entry SET vendor_id = $2 WHERE index = $1', [planted, id]);
    await forget(null); // the index is built without it, signed and logged
    await app.get(UpdateIndexMap).run();
    await forget(vendor.id);
    const { code, events: told } = await watch('--index');
    expect({ code, told }).toMatchObject({ code: 35, told: [{ event: 'alarm', code: 'audit/wrong-index' }] });
    expect(readFileSync(state, 'utf8')).toBe(before);
    expect((await watch()).code).toBe(0); // which did not ask
  });
});
