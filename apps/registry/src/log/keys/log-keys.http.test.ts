import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { LOG_KEY_PURPOSES, type LogKeyPurpose } from '@margo-trust/auditor';
import { encodeBase64, encodeBase64Url, encodeUtf8, parseBase64 } from '@margo-trust/bytes';
import { type MlDsa44Key, verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { parseReceipt, verifyReceipt } from '@margo-trust/receipt';
import { parseArtifactSignature, parseStatement } from '@margo-trust/statement';
import {
  encodeCheckpoint,
  encodeCosignature,
  encodeNote,
  encodeVerifierKey,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  subtreeToBeSigned,
  verifierKeyId,
  verifyLogNote,
  verifyNote,
} from '@margo-trust/tlog';
import { Verifier } from '@margo-trust/verifier';
import type { LogInfo, LogProposal } from '@margo-trust/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../../test/artifact.ts';
import { logCommands, TestCli } from '../../../../../test/cli.ts';
import { deviceTrust } from '../../../../../test/device-trust.ts';
import { admitVendor, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startReplica as startAnother, startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { Db } from '../../db/db.ts';
import { runGenesis } from '../../genesis.ts';
import { KeyRing } from '../../keys/key-ring.ts';
import { generateKey, writeKey, writeMlDsaKey } from '../../keys/development-keys.ts';
import { RegisterStatement } from '../admission/register-statement.ts';
import { RotateLogKey } from '../governance/rotate-log-key.ts';
import { HeadSigner } from '../head-signer.ts';
import { ed25519Raw, LogIdentity } from '../log-identity.ts';
import { LogReader } from '../log.reader.ts';
import { WitnessQuorum } from '../witnessing/witness-quorum.ts';
import { KeepTransitions } from './keep-transitions.ts';
import { LogKeys } from './log-keys.ts';

const ML_DSA = 'checkpoint-ml-dsa-44';
const SLOTS = {
  checkpoint: 'log-checkpoint',
  [ML_DSA]: 'log-checkpoint-ml-dsa-44',
  receipt: 'log-receipt',
  sct: 'log-sct',
  record: 'record',
} as const;

interface DescribedKey {
  key: string;
  fromSize: string;
  untilSize?: string;
  event?: string;
  transition?: string;
}

interface Description {
  origin: string;
  checkpointKey: string;
  checkpointKeys: string[];
  checkpointHistory: DescribedKey[];
  mlDsa44History: DescribedKey[];
}

describe('the keys of a log', () => {
  const cli = new TestCli();
  const servers: Server[] = [];
  const apps: INestApplication[] = [];
  let registry: TestRegistry;
  let vendor: { id: string; uri: string; key: KeyObject; chain: string };
  let firstKey: string;
  const published: { statement: Uint8Array; receipt: Uint8Array }[] = [];
  let retired: { readonly ed25519: KeyObject; readonly mlDsa44: MlDsa44Key };

  beforeAll(async () => {
    registry = await startTestRegistry();
    const id = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, id, pem);
    vendor = { id, key, chain, uri: `https://${id}.vendors.registry.localhost/` };
    firstKey = (await description()).checkpointKey;
    retired = {
      ed25519: createPrivateKey(readFileSync(pathOf('log-checkpoint.pem'))),
      mlDsa44: new KeyRing(registry.config.keysDirectory).firstMlDsa44()!,
    };
    await publish();
  });
  afterAll(async () => {
    for (const server of servers) server.close();
    for (const app of apps) await app.close();
    await registry?.close();
    rmSync(cli.home, { recursive: true, force: true });
  });

  const pathOf = (file: string) => join(registry.config.keysDirectory, file);
  const load = async (path: string) => new Uint8Array(await (await fetch(`${registry.url}${path}`)).arrayBuffer());
  const description = async () => (await (await fetch(`${registry.url}/log/log.json`)).json()) as Description;
  const checkpoint = async () => parseNote(await load('/log/checkpoint'));
  const sizeNow = async () => parseCheckpoint((await checkpoint()).text).size;
  const identity = () => registry.app.get(LogIdentity);

  async function publish(): Promise<Uint8Array> {
    const statement = signSomeArtifact(vendor.uri, vendor.key, vendor.chain);
    const response = await fetch(`${registry.url}/entries`, {
      method: 'POST',
      headers: { 'content-type': 'application/cose' },
      body: statement,
    });
    expect(response.status).toBe(201);
    const receipt = new Uint8Array(await response.arrayBuffer());
    published.push({ statement, receipt });
    return receipt;
  }

  /** Another process on the same database. */
  async function startReplica(keysDirectory = registry.config.keysDirectory): Promise<INestApplication> {
    const app = await startAnother(registry, { KEYS_DIR: keysDirectory });
    apps.push(app);
    return app;
  }

  const { run, must, refusal } = logCommands(cli, () => registry.url);

  function putNext(purpose: LogKeyPurpose): void {
    const path = pathOf(`${SLOTS[purpose]}.next.pem`);
    if (purpose === ML_DSA) writeMlDsaKey(path);
    else writeKey(path, generateKey(purpose === 'checkpoint' ? 'Ed25519' : 'P-256'));
  }

  /** Once the new key signs, its file becomes the slot's, and the old one goes beside it. */
  function settle(purpose: LogKeyPurpose): void {
    renameSync(pathOf(`${SLOTS[purpose]}.pem`), pathOf(`${SLOTS[purpose]}.2026.pem`));
    renameSync(pathOf(`${SLOTS[purpose]}.next.pem`), pathOf(`${SLOTS[purpose]}.pem`));
  }

  it('are not replaced without one that waits to follow, by one person, or by a key that was used', async () => {
    expect(await refusal(['rotate-key', 'receipt', '--reason', 'Test.'])).toBe('log/no-next-key');
    cpSync(pathOf('log-receipt.pem'), pathOf('log-receipt.next.pem'));
    expect(await refusal(['rotate-key', 'receipt', '--reason', 'Test.'])).toBe('log/key-used');
    rmSync(pathOf('log-receipt.next.pem'));
    putNext('receipt');
    const { proposal } = await must<{ proposal: LogProposal }>(['rotate-key', 'receipt', '--reason', 'Test.'], 'alice');
    expect(await refusal(['approve', proposal.id])).toBe('log/own-proposal');
    expect(await refusal(['approve', 'A'.repeat(16)], 'bob')).toBe('log/no-such-proposal');
    putNext('receipt'); // another one than was proposed
    expect(await refusal(['approve', proposal.id], 'bob')).toBe('log/passed-over');
    rmSync(pathOf('log-receipt.next.pem'));
  });

  it.each(LOG_KEY_PURPOSES)(
    'sign from the next head on: %s',
    async (purpose) => {
      const replica = await startReplica();
      await replica.get(RegisterStatement).run(signSomeArtifact(vendor.uri, vendor.key, vendor.chain));
      putNext(purpose);
      const previewed = await must<{ change: { key: string } }>(
        ['rotate-key', purpose, '--reason', 'x', '--dry-run'],
        'alice',
      );
      const { proposal } = await must<{ proposal: LogProposal }>(
        ['rotate-key', purpose, '--reason', 'Yearly.'],
        'alice',
      );
      expect(proposal.change).toEqual(previewed.change);
      const before = await sizeNow();
      const { logs } = await must<{ logs: LogInfo[] }>(['approve', proposal.id], 'bob');
      const keys = logs[0]!.keys.filter((key) => key.purpose === purpose);
      expect(keys.map(({ spki, fromSize, untilSize, event }) => ({ spki, fromSize, untilSize, event }))).toEqual([
        { spki: proposal.change.replaces, fromSize: '0', untilSize: (before + 2n).toString() },
        { spki: proposal.change.key, fromSize: (before + 2n).toString(), event: before.toString() },
      ]);

      // Whoever has not been told signs with the new key all the same.
      const { receipt } = await replica
        .get(RegisterStatement)
        .run(signSomeArtifact(vendor.uri, vendor.key, vendor.chain));
      const { kid, signedSize } = parseReceipt(receipt);
      expect(signedSize).toBe(before + 2n);
      expect(kid).toEqual(identity().receipt.kid);
      const note = parseNote(await replica.get(HeadSigner).signCheckpoint(await replica.get(LogReader).loadHead()));
      expect(verifyNote(note, [parseVerifierKey((await description()).checkpointKey)])).toHaveLength(1);
      expect(note.signatures).toHaveLength(1);

      settle(purpose);
      await publish();
      await admitVendor(registry); // a record, under whichever key
      await issueTo(registry, vendor.id, makeCsr().pem); // and a promise, verified before it is handed out
      const again = await startReplica();
      await runGenesis(again);
      await again.get(RegisterStatement).run(signSomeArtifact(vendor.uri, vendor.key, vendor.chain));
    },
    60_000,
  );

  it('issue the same receipts for old entries as ever, and new ones under the new key', async () => {
    for (const { statement, receipt } of published) {
      const path = `/entries/${parseStatement(statement).entryId}`;
      const [again, at] = [await load(path), parseReceipt(receipt).signedSize!];
      expect(parseReceipt(again).kid).toEqual(identity().receiptAt(at).kid);
    }
    const kids = new Set(published.map(({ receipt }) => encodeBase64Url(parseReceipt(receipt).kid!)));
    expect(kids.size).toBe(2);
    for (const kid of kids) expect((await fetch(`${registry.url}/.well-known/scitt-keys/${kid}`)).status).toBe(200);
  });

  it('are followed through their replacement by an auditor who knows the first one alone', async () => {
    const options = ['--from', registry.url, '--log-key', firstKey];
    const { checkpointKey, checkpointHistory } = await description();
    expect(checkpointKey).not.toBe(firstKey);
    expect(checkpointHistory).toHaveLength(2);
    const both = parseNote(parseBase64(checkpointHistory[1]!.transition!));
    expect(verifyNote(both, [firstKey, checkpointKey].map(parseVerifierKey))).toHaveLength(2);
    await must(['fsck', ...options, '--receipts', 'all', '--signatures']);
    await must(['replay', ...options]);
    const mirror = cli.path('mirror');
    await must(['mirror', mirror, ...options]);
    await must(['prove', '3', '--from', mirror, '--log-key', firstKey]);
    const monitored = await run(['monitor', ...options, '--state', cli.path('state.json'), '--once']);
    expect(monitored.code, monitored.stdout).toBe(0);
    // And backwards: whoever knows the newest one alone.
    await must(['replay', '--from', mirror, '--log-key', checkpointKey]);
  });

  /** A server in front that tells the truth but for one path. */
  async function liar(path: string, lie: Uint8Array): Promise<string> {
    const server = createServer((request, response) => {
      if (request.url === path) return void response.end(lie);
      fetch(`${registry.url}${request.url}`).then(
        async (answer) => response.writeHead(answer.status).end(new Uint8Array(await answer.arrayBuffer())),
        () => response.destroy(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('no longer count where they were replaced: a checkpoint by the old key', async () => {
    const { origin } = identity();
    const { size, root } = parseCheckpoint((await checkpoint()).text);
    const text = encodeCheckpoint({ origin, size, root, extensions: [] });
    const keyHash = verifierKeyId(origin, parseVerifierKey(firstKey).publicKey).slice(0, 4);
    const forged = encodeNote({
      text,
      signatures: [{ name: origin, keyHash, signature: new Uint8Array(sign(null, encodeUtf8(text), retired.ed25519)) }],
    });
    expect(() => verifyLogNote(parseNote(forged), identity().checkpointWindows)).toThrow(
      expect.objectContaining({ code: 'tlog/retired-key' }),
    );
    const from = await liar('/log/checkpoint', forged);
    for (const command of ['fsck', 'replay', 'mirror']) {
      const args = command === 'mirror' ? [command, cli.path('planted')] : [command];
      const found = await run([...args, '--from', from, '--log-key', firstKey]);
      expect([found.code === 0, found.json<{ error: { code: string } }>().error.code]).toEqual([
        false,
        'audit/retired-key',
      ]);
    }
  });

  it('sign every shown checkpoint with ML-DSA-44 too, each for its sizes, and both where one follows the other', async () => {
    const { checkpointKeys, mlDsa44History } = await description();
    const [old, current] = mlDsa44History.map(({ key }) => parseVerifierKey(key));
    expect(mlDsa44History).toHaveLength(2);
    expect(mlDsa44History[0]!.untilSize).toBe(mlDsa44History[1]!.fromSize);
    expect(checkpointKeys).toEqual([(await description()).checkpointKey, mlDsa44History[1]!.key]);

    const transition = parseNote(parseBase64(mlDsa44History[1]!.transition!));
    expect(verifyNote(transition, [old!, current!], verifyMlDsa44)).toEqual([old, current]);
    const { size } = parseCheckpoint(transition.text);
    expect(size).toBe(BigInt(mlDsa44History[1]!.event!) + 1n);
    const reader = registry.app.get(LogReader);
    for (const [of, keys] of [
      [size - 1n, [old]],
      [size, [old, current]],
      [size + 1n, [current]],
    ] as const) {
      const head = (await reader.findSeal(of)) ?? (await reader.loadHead());
      const note = parseNote(await registry.app.get(HeadSigner).signWhole(head));
      expect(verifyNote(note, [old!, current!], verifyMlDsa44)).toEqual(keys);
    }
    // Under load not every checkpoint gets one; of a log at rest, the next that is asked for does.
    await expect
      .poll(async () => (await checkpoint()).signatures.map(({ keyHash }) => keyHash), { timeout: 10_000 })
      .toContainEqual(current!.keyHash);
  });

  it('no longer count where they were replaced: a checkpoint by the old ML-DSA-44 key alone', async () => {
    const { origin, mlDsa44Windows } = identity();
    const { text } = await checkpoint();
    const { size, root } = parseCheckpoint(text);
    const message = subtreeToBeSigned(origin, 0n, { origin, start: 0n, end: size, hash: root });
    const signature = encodeCosignature(0n, retired.mlDsa44.sign(message));
    const note = { text, signatures: [{ name: origin, keyHash: mlDsa44Windows[0]!.key.keyHash, signature }] };
    expect(() => verifyLogNote(note, mlDsa44Windows, verifyMlDsa44)).toThrow(
      expect.objectContaining({ code: 'tlog/retired-key' }),
    );
    const quorum = registry.app.get(WitnessQuorum);
    expect(() => quorum.judge(encodeNote(note))).toThrow(expect.objectContaining({ code: 'tlog/unknown-signer' }));
    const [trusted] = (await deviceTrust(registry, vendor)).logs;
    expect(trusted!.mlDsa44History).toEqual(mlDsa44Windows);
  });

  it('let bundles from before and after verify offline, under the trust root of today', async () => {
    const trust = await deviceTrust(registry, vendor);
    const [log] = trust.logs;
    expect(log!.receiptKeys).toHaveLength(2);
    for (const { statement } of published) {
      const bytes = await load(`/entries/${parseStatement(statement).entryId}/transparent-statement`);
      const { target } = parseArtifactSignature(parseStatement(statement));
      const verdict = new Verifier(trust).verifyArtifact(target, [bytes]);
      expect(verdict).toMatchObject({ trusted: true });
    }

    // The same statement with a receipt that the old key signed after it was replaced.
    const { statement, receipt } = published.at(-1)!;
    const wide = log!.receiptKeys.map((key) => ({ ...key, untilSize: 1n }));
    expect(() => verifyReceipt(receipt, parseStatement(statement), wide)).toThrow(
      expect.objectContaining({ code: 'receipt/retired-key' }),
    );
    // A record under a key that had been replaced by then approves nobody.
    const early = trust.records.map((key) => ({ ...key, retired: new Map([[log!.origin, 0n]]) }));
    const bytes = await load(`/entries/${parseStatement(statement).entryId}/transparent-statement`);
    const { target } = parseArtifactSignature(parseStatement(statement));
    expect(new Verifier({ ...trust, records: early }).verifyArtifact(target, [bytes])).toMatchObject({
      trusted: false,
      code: 'verify/vendor-unproven',
    });
  });

  it('are the new ones after a crash between the record and their first use', async () => {
    const dying = await startReplica();
    putNext('checkpoint');
    const change = await dying.get(RotateLogKey).draft({ action: 'rotate-key', purpose: 'checkpoint' });
    await dying.get(Db).transaction((tx) => dying.get(RotateLogKey).run(tx, change));
    // It is gone before it has signed anything, kept the transition or told anybody.
    const event = (await registry.app.get(LogReader).loadHead()).size - 1n;

    const survivor = await startReplica();
    await runGenesis(survivor);
    expect(await survivor.get(KeepTransitions).isDue()).toBe(true);
    await survivor.get(KeepTransitions).run();
    expect(await survivor.get(KeepTransitions).isDue()).toBe(false);
    const { statement } = { statement: signSomeArtifact(vendor.uri, vendor.key, vendor.chain) };
    await survivor.get(RegisterStatement).run(statement);
    const history = identity().checkpointWindows;
    await registry.app.get(LogKeys).refresh();
    const { checkpointHistory } = await description();
    expect(identity().checkpointWindows).toHaveLength(history.length + 1);
    expect(checkpointHistory.at(-1)).toMatchObject({ event: event.toString(), fromSize: (event + 2n).toString() });
    const note = await checkpoint();
    expect(verifyNote(note, [parseVerifierKey(checkpointHistory.at(-1)!.key)])).toHaveLength(1);
    await must(['fsck', '--from', registry.url, '--log-key', firstKey]);
    settle('checkpoint');
  });

  it('are missed at the start by a process that does not have them', async () => {
    const other = mkdtempSync(join(tmpdir(), 'logs-keys-'));
    cpSync(registry.config.keysDirectory, other, { recursive: true });
    rmSync(join(other, 'log-receipt.pem'));
    const poor = await startReplica(other);
    await expect(runGenesis(poor)).rejects.toThrow(/does not hold the receipt key/);
    expect(() => poor.get(LogIdentity).receipt).toThrow(expect.objectContaining({ code: 'log/key-missing' }));
    rmSync(join(other, 'log-checkpoint-ml-dsa-44.pem'));
    const poorer = await startReplica(other);
    await expect(runGenesis(poorer)).rejects.toThrow(/does not hold the checkpoint-ml-dsa-44 key/);
    await expect(poorer.get(HeadSigner).signForAll(await poorer.get(LogReader).loadHead())).rejects.toThrow(
      expect.objectContaining({ code: 'log/key-missing' }),
    );
    rmSync(other, { recursive: true });
  });

  it('are read out of the log again where the table was lost', async () => {
    const table = () =>
      registry.source.query('SELECT purpose, spki, from_size, until_size, event_index FROM log_key ORDER BY 1, 3');
    const before: unknown = await table();
    await registry.source.query('DELETE FROM log_key');
    await runGenesis(await startReplica());
    expect(await table()).toEqual(before);
    // And those that had none of one purpose: of the ML-DSA-44 keys, in a database from before they had a place here.
    await registry.source.query('DELETE FROM log_key WHERE purpose = $1', [ML_DSA]);
    await runGenesis(await startReplica());
    expect(await table()).toEqual(before);
    expect(encodeVerifierKey(identity().origin, ed25519Raw(identity().checkpoint.spki))).toBe(
      (await description()).checkpointKey,
    );
    expect(encodeBase64(identity().receipt.signer.spki)).toHaveLength(124);
  });
});
