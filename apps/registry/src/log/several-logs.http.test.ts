import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseReceipt, verifyReceipt } from '@margo-trust/receipt';
import { parseStatement } from '@margo-trust/statement';
import { parseCheckpoint, parseNote, parseVerifierKey, verifyNote } from '@margo-trust/tlog';
import type { LogInfo } from '@margo-trust/wire';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { signSomeArtifact } from '../../../../test/artifact.ts';
import { deviceTrust, grantedTrust } from '../../../../test/device-trust.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../test/pki.ts';
import type { TestRegistry } from '../../../../test/registry.ts';
import { FIRST, SECOND, THIRD, originOf, type SigningVendor, useLogs } from '../../../../test/several-logs.ts';
import { runGenesis } from '../genesis.ts';
import { generateKey, writeKey, writeMlDsaKey } from '../keys/development-keys.ts';
import { RegisterStatement } from './admission/register-statement.ts';
import { LogIdentity } from './log-identity.ts';
import { LogStore } from './log.store.ts';
import { RunningLogs } from './running-logs.ts';
import { UpdateIndexMap } from './search/update-index-map.ts';
import { PublishTiles } from './tiles/publish-tiles.ts';
import { SignSct } from './sign-sct.ts';

/** The tests are one story, in order. */
describe('several logs', () => {
  const logs = useLogs();
  const { published, load, description, sizeOf, post, draw, publish, logOf } = logs;
  const { must, refusal, pass, propose, decide, verdictOf, startReplica, cli } = logs;
  let registry: TestRegistry;
  let vendor: SigningVendor;
  let files: string;
  beforeAll(() => {
    ({ registry, vendor, files } = logs);
  });

  it('are opened by two members, under a name that is free and a host name', async () => {
    for (const bad of ['Upper', '-a', 'a-', 'a.b', 'preview', 'proposals', 'x'.repeat(32)]) {
      expect([bad, await refusal(['open', bad, '--reason', 'x'])]).toEqual([
        bad,
        expect.stringMatching(/^log\/bad-change$|^http\/invalid-body$|^cli\//),
      ]);
    }
    expect(await refusal(['freeze', '2027', '--reason', 'x'])).toBe('log/no-such-log');
    expect(await refusal(['retire', '2027', '--reason', 'x'])).toBe('log/no-such-log');
    const proposal = await propose('open', '2027');
    expect(proposal.change).toMatchObject({ action: 'open', log: SECOND, name: '2027' });
    expect(await refusal(['approve', proposal.id])).toBe('log/own-proposal');
    expect(await refusal(['approve', 'A'.repeat(16)], 'bob')).toBe('log/no-such-proposal');
    expect((await fetch(`${registry.url}/logs/2027/checkpoint`)).status).toBe(404);

    const before = await sizeOf('/log');
    const { logs } = await must<{ logs: LogInfo[] }>(['approve', proposal.id], 'bob');
    expect(
      logs.map(({ origin, path, state, size, takesStatements }) => [origin, path, state, size, takesStatements]),
    ).toEqual([
      [FIRST, '/log/', 'active', (before + 1n).toString(), true],
      [SECOND, '/logs/2027/', 'active', '2', false],
    ]);
    expect(await refusal(['open', '2027', '--reason', 'x'])).toBe('log/name-taken');
    expect(await description('/logs/2027')).toMatchObject({ origin: SECOND, governance: FIRST });
    expect(await description()).not.toHaveProperty('governance');
  });

  it('have keys of their own, and one key of records', async () => {
    const { items } = (await call(registry, 'get', '/api/v1/logs')).body as { items: LogInfo[] };
    const keyOf = (n: number, purpose: string) => items[n]!.keys.find((key) => key.purpose === purpose)!.spki;
    for (const purpose of ['checkpoint', 'checkpoint-ml-dsa-44', 'receipt', 'sct'])
      expect(keyOf(0, purpose)).not.toBe(keyOf(1, purpose));
    expect(keyOf(0, 'record')).toBe(keyOf(1, 'record'));
    const note = parseNote(await load('/logs/2027/checkpoint'));
    expect(verifyNote(note, [parseVerifierKey((await description('/logs/2027')).checkpointKey)])).toHaveLength(1);
    expect(() => verifyNote(note, [parseVerifierKey(registry.app.get(LogIdentity).firstVerifierKey)])).toThrow();
  });

  it('take statements that are sent to them, and others once the first is closed for those', async () => {
    expect(originOf(await publish())).toBe(FIRST);
    const proposal = await propose('close');
    expect(proposal.change).toEqual({ action: 'close', log: FIRST });
    expect(await refusal(['approve', proposal.id])).toBe('log/own-proposal');
    const { logs } = await must<{ logs: LogInfo[] }>(['approve', proposal.id], 'bob');
    expect(logs.map(({ state, takesStatements }) => [state, takesStatements])).toEqual([
      ['closed', false],
      ['active', true],
    ]);
    expect(await refusal(['close', '--reason', 'x'])).toBe('log/not-active');
    const other = { action: 'close', name: '2027', reason: 'x' };
    const refused = await call(registry, 'post', '/api/v1/logs/proposals', 'alice', other);
    expect((refused.body as { code: string }).code).toBe('log/bad-change');
  });

  it('say in front of their statements what those rest on', async () => {
    const firstSize = await sizeOf('/log');
    const receipt = await publish();
    expect(originOf(receipt)).toBe(SECOND);
    expect(await sizeOf('/logs/2027')).toBe(4n); // policy, anchors, what it rests on, the statement
    expect(originOf(await publish())).toBe(SECOND);
    expect(await sizeOf('/logs/2027')).toBe(5n);
    expect(await sizeOf('/log')).toBe(firstSize);
    const { items } = (await call(registry, 'get', '/api/v1/logs/2027/entries')).body as {
      items: { index: string; subject: string }[];
    };
    expect(items.find(({ index }) => index === '2')).toMatchObject({ subject: `governance:${FIRST}` });
    // The same again is the same entry.
    const { statement } = published.at(-1)!;
    const again = await post(statement);
    expect(parseReceipt(again.body)).toMatchObject({ index: parseReceipt(published.at(-1)!.receipt).index });
    expect(await sizeOf('/logs/2027')).toBe(5n);
  });

  it('seal in one round trip, and say again what they rest on once the first has grown', async () => {
    for (let i = 0; i < 2; i += 1) await publish();
    const store = logOf(SECOND).app.get(LogStore);
    const [asked, ahead] = [vi.spyOn(store, 'lockHead'), vi.spyOn(store, 'lockExpectedHead')];
    await publish();
    expect([asked.mock.calls.length, ahead.mock.calls.length]).toEqual([0, 1]);
    const before = await sizeOf('/logs/2027');
    await admitVendor(registry);
    await publish();
    expect([asked.mock.calls.length, ahead.mock.calls.length]).toEqual([1, 2]);
    expect(await sizeOf('/logs/2027')).toBe(before + 2n);
    vi.restoreAllMocks();
  });

  it('are known to replicas within a second, and to those that start', async () => {
    const replica = await startReplica();
    expect(replica.get(RunningLogs).findByOrigin(SECOND)).toBeDefined();
    await decide('open', '2028');
    await expect.poll(() => replica.get(RunningLogs).findByOrigin(THIRD), { timeout: 3_000 }).toBeDefined();
    expect(originOf(await publish())).toBe(SECOND); // the oldest that takes them
    expect(originOf(await publish('/logs/2028/entries'))).toBe(THIRD);
    const statement = draw();
    const { receipt } = await replica
      .get(RunningLogs)
      .inCurrent((log) => log!.app.get(RegisterStatement).run(statement));
    expect(originOf(receipt)).toBe(SECOND);
    expect(await sizeOf('/logs/2028')).toBe(4n);
    expect(originOf(await publish('/logs/2028/entries'))).toBe(THIRD);
    expect(await sizeOf('/logs/2028')).toBe(5n);
  });

  it('take nothing in a process that lacks their keys, and such a one does not start', async () => {
    const poor = mkdtempSync(join(tmpdir(), 'several-logs-keys-'));
    cpSync(registry.config.keysDirectory, poor, { recursive: true });
    rmSync(join(poor, 'logs/2028/log-receipt.pem'));
    const replica = await startReplica(poor);
    const before = await sizeOf('/logs/2028');
    const registration = replica.get(RunningLogs).findByOrigin(THIRD)!.app.get(RegisterStatement);
    await expect(registration.run(draw())).rejects.toThrow(expect.objectContaining({ code: 'log/key-missing' }));
    expect(await sizeOf('/logs/2028')).toBe(before);
    expect(await replica.get(RunningLogs).complaint()).toMatch(/2028.*receipt key is not here/);
    await expect(runGenesis(replica)).rejects.toThrow(/logs\/2028 does not hold the receipt key/);
    cpSync(join(registry.config.keysDirectory, 'logs/2028/log-receipt.pem'), join(poor, 'logs/2028/log-receipt.pem'));
    chmodSync(join(poor, 'logs/2028/log-receipt.pem'), 0o644);
    await expect(startReplica(poor)).rejects.toThrow(/open to others/);
    rmSync(poor, { recursive: true });
  });

  it('go by vendors, certificates and revocations of the first, whatever the others hold', async () => {
    const before = await sizeOf('/logs/2027');
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    const uri = `https://${id}.vendors.registry.localhost/`;
    expect((await post(signSomeArtifact(uri, key, chain))).status).toBe(201);
    expect(await sizeOf('/logs/2027')).toBe(before + 2n);
    const suspended = await call(registry, 'post', `/api/v1/vendors/${id}/suspension`, 'alice', { reason: 'Test.' });
    expect(suspended.status, suspended.text).toBe(201);
    const refused = await post(signSomeArtifact(uri, key, chain));
    expect([refused.status, Buffer.from(refused.body).toString()]).toEqual([
      400,
      expect.stringContaining('not active'),
    ]);
    expect(await sizeOf('/logs/2027')).toBe(before + 2n);
  });

  it('let bundles with receipts of any of them verify offline', async () => {
    const trust = await deviceTrust(registry, vendor);
    expect(trust.logs.map(({ origin }) => origin)).toEqual([FIRST, SECOND, THIRD]);
    const origins = new Set<string | undefined>();
    for (const { statement, receipt } of published) {
      origins.add(originOf(receipt));
      expect(await verdictOf(statement, trust)).toMatchObject({ trusted: true });
    }
    expect(origins).toEqual(new Set([FIRST, SECOND, THIRD]));
    // A device that has not heard of a log yet refuses its receipts.
    const old = { ...trust, logs: trust.logs.slice(0, 1) };
    expect(await verdictOf(published.at(-1)!.statement, old)).toMatchObject({
      trusted: false,
      code: 'verify/not-logged',
    });
  });

  it('are checked, replayed, proved, mirrored and watched one by one', async () => {
    await cli.run(['--registry', registry.url, 'root', 'update']);
    for (const name of ['2027', '2028']) {
      const from = ['--from', `${registry.url}/logs/${name}`, '--trust-first-use'];
      const { fsck } = await must<{ fsck: { log: string; receipts: number } }>([
        'fsck',
        ...from,
        '--receipts',
        'all',
        '--signatures',
      ]);
      expect(fsck.log).toBe(`${name}.log.registry.localhost`);
      expect(fsck.receipts).toBeGreaterThan(1);
      const { replay } = await must<{ replay: { admissions: number } }>(['replay', ...from]);
      expect(replay.admissions).toBeGreaterThan(1);
      const { proof } = await must<{ proof: { log: string } }>(['prove', '3', ...from]);
      expect(proof.log).toBe(`${name}.log.registry.localhost`);
      await pass(['follow', ...from, '--all', '--once']);
      await pass(['mirror', cli.path(`mirror-${name}`), ...from]);
      await pass(['monitor', ...from, '--state', cli.path(`state-${name}`), '--from-start', '--index', '--once']);
    }
    await must(['replay', '--from', registry.url, '--trust-first-use']);
    expect((await must<{ fsck: { log: string } }>(['fsck', '--of', '2027', '--trust-first-use'])).fsck.log).toBe(
      SECOND,
    );
    expect((await must<{ log: { origin: string } }>(['show', '--of', '2027'])).log.origin).toBe(SECOND);
    const found = await must<{ items?: unknown[]; entries?: unknown[] }>(['search', '--of', '2027', vendor.id]);
    expect((found.items ?? found.entries ?? []).length).toBeGreaterThan(1);
    const { current } = await must<{ current: { index: string } }>(['policy', 'show', '--of', '2027']);
    expect(current.index).toBe('0');
    expect(await refusal(['show', '--of', '2099'])).toBe('http/not-found');
    const alone = ['--from', cli.path('mirror-2027'), '--trust-first-use'];
    expect(
      (await must<{ replay: { log: string } }>(['replay', ...alone, '--governance', `${registry.url}/log`])).replay.log,
    ).toBe(SECOND);
  });

  it('are frozen by two members, once, and never the first', async () => {
    const freeze = { action: 'freeze', log: FIRST, reason: 'x' };
    const refused = await call(registry, 'post', '/api/v1/logs/proposals', 'alice', freeze);
    expect([refused.status, (refused.body as { code: string }).code]).toEqual([409, 'log/governs']);
    expect(await refusal(['retire', '2027', '--reason', 'x'])).toBe('log/not-frozen');

    const [one, two] = [await propose('freeze', '2027'), await propose('freeze', '2027')];
    expect(await refusal(['approve', one.id])).toBe('log/own-proposal');
    const before = await sizeOf('/logs/2027');
    const { logs } = await must<{ logs: LogInfo[] }>(['approve', one.id], 'bob');
    expect(logs.map(({ state, takesStatements }) => [state, takesStatements])).toEqual([
      ['closed', false],
      ['frozen', false],
      ['active', true],
    ]);
    expect(await refusal(['approve', two.id], 'bob')).toBe('log/not-active');
    expect(await refusal(['freeze', '2027', '--reason', 'x'])).toBe('log/not-active');
    const size = await sizeOf('/logs/2027');
    expect(size > before).toBe(true);
    const { items } = (await call(registry, 'get', '/api/v1/logs/2027/entries?limit=1')).body as {
      items: { index: string; subject: string }[];
    };
    expect(items[0]).toMatchObject({ index: (size - 1n).toString(), subject: `log:${SECOND}` });
    expect(await description('/logs/2027')).toMatchObject({ frozen: { size: size.toString() } });
    expect((await description('/logs/2027')).receiptKeys[0]!.untilSize).toBe((size + 1n).toString());
    // The registry's own log says it too.
    const logged = (await call(registry, 'get', `/api/v1/log/entries?subject=log:${SECOND}`)).body as {
      items: unknown[];
    };
    expect(logged.items).toHaveLength(2); // opened, frozen
  });

  it('hand over to the next, and are read as before', async () => {
    expect(originOf(await publish())).toBe(THIRD);
    const direct = await post(draw(), '/logs/2027/entries');
    expect(direct.status).toBe(409);
    const known = published.find(({ receipt }) => originOf(receipt) === SECOND)!;
    const { entryId, entry } = parseStatement(known.statement);
    const keys = (await grantedTrust(registry)).logs.flatMap(({ receiptKeys }) => receiptKeys);
    const receipt = await load(`/entries/${entryId}`);
    expect(verifyReceipt(receipt, parseStatement(known.statement), keys)).toMatchObject({ origin: SECOND });
    expect(entry).toHaveLength(32);
    const third = logOf(SECOND).app.get(UpdateIndexMap);
    expect(await third.isDue()).toBe(false);
    const answer = await call(registry, 'get', `/api/v1/logs/2027/complete?vendor=${vendor.id}`);
    expect(answer.status, answer.text).toBe(200);
    const from = ['--from', `${registry.url}/logs/2027`, '--trust-first-use'];
    await must(['fsck', ...from, '--receipts', 'all']);
    await must(['replay', ...from]);
    await pass(['monitor', ...from, '--state', cli.path('state-2027'), '--once']);
    expect(await verdictOf(known.statement, await deviceTrust(registry, vendor))).toMatchObject({ trusted: true });
  });

  it('have their files each at a place of its own', async () => {
    await registry.app.get(PublishTiles).run();
    await logOf(SECOND).app.get(PublishTiles).run();
    const originAt = (path: string) => readFileSync(join(files, path), 'utf8').split('\n')[0];
    expect([originAt('checkpoint'), originAt('logs/2027/checkpoint')]).toEqual([FIRST, SECOND]);
    const metrics = await (await fetch(`${registry.url}/metrics`)).text();
    expect(metrics).toContain(`tile_store_entries{log="${FIRST}"} ${await sizeOf('/log')}\n`);
    expect(metrics).toContain(`tile_store_entries{log="${SECOND}"} ${await sizeOf('/logs/2027')}\n`);
    await must(['fsck', '--from', join(files, 'logs/2027'), '--trust-first-use']);
    await must(['replay', '--from', join(files, 'logs/2027'), '--trust-first-use', '--governance', files]);
  });

  it('do without their keys once they are retired', async () => {
    const known = published.find(({ receipt }) => originOf(receipt) === SECOND)!;
    const size = await sizeOf('/logs/2027');
    const logs = await decide('retire', '2027');
    expect(logs[1]).toMatchObject({ origin: SECOND, state: 'retired', retiredAt: expect.any(String) as string });
    expect(await refusal(['retire', '2027', '--reason', 'x'])).toBe('log/not-frozen');
    expect(await refusal(['freeze', '2027', '--reason', 'x'])).toBe('log/not-active');
    rmSync(join(registry.config.keysDirectory, 'logs/2027'), { recursive: true });

    const replica = await startReplica();
    const third = replica.get(RunningLogs).findByOrigin(SECOND)!;
    expect(() => third.app.get(LogIdentity).receipt).toThrow(expect.objectContaining({ code: 'log/key-missing' }));
    await third.app.get(PublishTiles).run();
    expect(readFileSync(join(files, 'logs/2027/log.json'), 'utf8')).toContain('"retired"');
    const rooms = third.hotPaths;
    const ask = async (path: string) => {
      const reply = await rooms.find(path, { method: 'GET', headers: {} } as never);
      return new Uint8Array(reply!.body as Uint8Array);
    };
    const checkpoint = await ask('/log/checkpoint');
    expect(parseCheckpoint(parseNote(checkpoint).text)).toMatchObject({ origin: SECOND, size });
    await ask('/log/checkpoint.cose');
    await ask('/log/tile/0/000.p/3');
    expect(JSON.parse(Buffer.from(await ask('/log/log.json')).toString())).toMatchObject({
      retired: {},
      frozen: { size: size.toString() },
    });
    const { entryId } = parseStatement(known.statement);
    const receipt = await ask(`/entries/${entryId}`);
    const trust = await deviceTrust(registry, vendor);
    const keys = trust.logs.flatMap(({ receiptKeys }) => receiptKeys);
    expect(verifyReceipt(receipt, parseStatement(known.statement), keys)).toMatchObject({ origin: SECOND });
    expect(existsSync(join(registry.config.keysDirectory, 'logs/2027'))).toBe(false);
    expect(await registry.app.get(RunningLogs).complaint()).toBeUndefined();
    expect(originOf(await publish())).toBe(THIRD);
    // What its key would sign for a larger tree counts for nothing.
    const log = trust.logs.find(({ origin }) => origin === SECOND)!;
    expect(log.receiptKeys[0]!.untilSize).toBe(size + 1n);
    expect(log.checkpointHistory.at(-1)!.untilSize).toBe(size + 1n);
  });

  it('take nothing when none is active, but records on and on', async () => {
    await decide('freeze', '2028');
    const refused = await post(draw());
    expect([refused.status, Buffer.from(refused.body).toString()]).toEqual([
      503,
      expect.stringContaining('No log takes statements'),
    ]);
    await admitVendor(registry);
    await must(['replay', '--from', registry.url, '--trust-first-use']);
    await must(['replay', '--from', `${registry.url}/logs/2028`, '--trust-first-use']);
  });

  it('have their keys replaced each, and follow the first one’s key of records', async () => {
    await decide('open', 'next');
    const origin = 'next.log.registry.localhost';
    const pathOf = (file: string) => join(registry.config.keysDirectory, file);
    writeKey(pathOf('logs/next/log-receipt.next.pem'), generateKey('P-256'));
    await decide('rotate-key', 'receipt', '--log', origin);
    writeMlDsaKey(pathOf('logs/next/log-checkpoint-ml-dsa-44.next.pem'));
    const rotated = (await decide('rotate-key', 'checkpoint-ml-dsa-44', '--log', origin)).at(-1)!;
    const mlDsa44 = rotated.keys.filter(({ purpose }) => purpose === 'checkpoint-ml-dsa-44');
    expect(mlDsa44.map(({ untilSize }) => untilSize)).toEqual([mlDsa44[1]!.fromSize, undefined]);
    expect(await refusal(['rotate-key', 'record', '--log', origin, '--reason', 'x'])).toBe('log/no-next-key');
    writeKey(pathOf('record.next.pem'), generateKey('P-256'));
    await decide('rotate-key', 'record');
    expect(originOf(await publish())).toBe(origin);
    await decide('rotate-key', 'record', '--log', origin);
    expect(originOf(await publish())).toBe(origin);
    const from = ['--from', `${registry.url}/logs/next`, '--trust-first-use'];
    await must(['fsck', ...from, '--signatures']);
    await must(['replay', ...from]);
    const { statement } = published.at(-1)!;
    expect(await verdictOf(statement, await deviceTrust(registry, vendor))).toMatchObject({ trusted: true });
    expect(registry.app.get(SignSct)).toBeDefined();
  });
});
