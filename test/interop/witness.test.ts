/**
 * Witnesses and logs in Go, of the people who run the public witness network: their omniwitness cosigns our checkpoints, Ed25519
 * and ML-DSA-44, and their client has our witness cosign them.
 */
import type { ChildProcess } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { parsePolicy, verifyWitnessed, type WitnessedCheckpoint } from '@margo-trust/tlog';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noteSeen } from './seen.ts';
import { freePort, startProgram, startService, stopProgram, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { client, must, repository, run, temporaryDirectory, waitUntil } from './harness.ts';

const CLI = join(repository, 'apps/cli/bin/margo-trust.mjs');

interface Answer {
  readonly size: number;
  readonly cosigners?: readonly string[];
  readonly witnessSize?: number;
}

describe('witnesses of the public network', () => {
  let home: string;
  let service: Service;
  let theirs: ChildProcess;
  let ours: ChildProcess;
  let ourUrl: string;
  let ourKeys: readonly string[];
  let logKey: string;
  let draw: () => Uint8Array;

  beforeAll(async () => {
    home = await temporaryDirectory();
    // Keys of our making, for a witness that is not: both read C2SP's forms.
    const keys = await init('theirs');
    const [theirPort, ourPort] = [await freePort(), await freePort()];
    const theirUrl = `http://127.0.0.1:${theirPort}`;
    await writeFile(
      join(home, 'policy'),
      `witness classic ${keys[0]} ${theirUrl}\nwitness quantum ${keys[1]} ${theirUrl}\ngroup both all classic quantum\nquorum both\n`,
    );
    const env = { WITNESS_POLICY: join(home, 'policy') };
    service = await startService({ env });
    draw = await statementsOf(service.dataDir);
    const description = (await (await fetch(`${service.url}/log/log.json`)).json()) as { checkpointKey: string };
    logKey = description.checkpointKey;

    const secrets = (await readFile(join(home, 'theirs/keys'), 'utf8')).trim().split('\n');
    const files = await Promise.all(
      secrets.map(async (secret, i) => {
        const file = join(home, `key-${i}`);
        await writeFile(file, secret, { mode: 0o600 });
        return file;
      }),
    );
    await writeFile(
      join(home, 'logs.yaml'),
      `Logs:\n  - Origin: ${logKey.split('+')[0]}\n    PublicKey: ${logKey}\n    URL: ${service.url}/log\n`,
    );
    theirs = startProgram(
      client('omniwitness'),
      [
        ...['--listen', `127.0.0.1:${theirPort}`, '--metrics_listen', '', '--additional_logs', join(home, 'logs.yaml')],
        ...files.flatMap((file) => ['--private_key_path', file]),
      ],
      {},
    );
    theirs.stdout?.resume();
    theirs.stderr?.resume();

    ourKeys = await init('ours');
    await must(process.execPath, [CLI, 'witness', 'add-log', join(home, 'ours'), logKey]);
    ourUrl = `http://127.0.0.1:${ourPort}`;
    ours = startProgram(
      process.execPath,
      [CLI, 'witness', 'serve', join(home, 'ours'), '--listen', `127.0.0.1:${ourPort}`],
      {},
    );
    ours.stdout?.resume();
    ours.stderr?.resume();
    await waitUntil('our witness answers', async () => (await fetch(ourUrl).catch(() => undefined))?.ok === true);
  });
  afterAll(async () => {
    await Promise.all([theirs, ours].map((child) => child && stopProgram(child)));
    await service?.stop();
    await rm(home, { recursive: true, force: true });
  });

  it('cosign our checkpoints, with both kinds of key, as the log grows', async () => {
    noteSeen('omniwitness');
    let largest = 0n;
    for (let round = 0; round < 3; round++) {
      await register();
      let shown: WitnessedCheckpoint | undefined;
      await waitUntil('a larger checkpoint is cosigned', async () => {
        shown = await checkpoint();
        return shown !== undefined && shown.checkpoint.size > largest;
      });
      expect(shown?.cosigners.map(({ name }) => name)).toEqual(['classic', 'quantum']);
      largest = shown?.checkpoint.size ?? 0n;
    }
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toMatch(
      /log_witness_answers_total\{log="log\.registry\.localhost",witness="quantum",outcome="cosigned"\} [1-9]/,
    );
  });

  it('have a client that our witness cosigns for', async () => {
    await waitUntil('there is a checkpoint', async () => (await checkpoint()) !== undefined);
    const first = await submit(0);
    const ids = ourKeys.map((vkey) => vkey.split('+').slice(0, 2).join('+'));
    expect(first.cosigners).toEqual(ids);
    expect((await submit(0)).witnessSize).toBe(first.size);
    await register();
    await waitUntil('the checkpoint grows', async () => Number((await checkpoint())?.checkpoint.size) > first.size);
    const second = await submit(first.size);
    expect(second.size).toBeGreaterThan(first.size);
    expect(second.cosigners).toEqual(ids);
  });

  it('have a client that our witness refuses for a log it does not know', async () => {
    const strange = await init('strange');
    const directory = join(home, 'strange');
    const port = await freePort();
    const child = startProgram(
      process.execPath,
      [CLI, 'witness', 'serve', directory, '--listen', `127.0.0.1:${port}`],
      {},
    );
    try {
      const url = `http://127.0.0.1:${port}`;
      await waitUntil('it answers', async () => (await fetch(url).catch(() => undefined))?.ok === true);
      const refused = await run(client('witness-client'), [`${service.url}/log`, logKey, url, '0', ...strange]);
      expect(refused.code).not.toBe(0);
      expect(refused.output).toMatch(/404|unknown/i);
    } finally {
      await stopProgram(child);
    }
  });

  async function init(name: string): Promise<readonly string[]> {
    const args = ['--json', 'witness', 'init', join(home, name), '--name', `${name}.example`];
    const { stdout } = await must(process.execPath, [CLI, ...args]);
    return (JSON.parse(stdout) as { vkeys: string[] }).vkeys;
  }

  async function submit(oldSize: number): Promise<Answer> {
    const args = [`${service.url}/log`, logKey, ourUrl, String(oldSize), ...ourKeys];
    return JSON.parse((await must(client('witness-client'), args)).stdout) as Answer;
  }

  async function register(): Promise<void> {
    const headers = { 'content-type': 'application/cose' };
    const body = draw() as Uint8Array<ArrayBuffer>;
    expect((await fetch(`${service.url}/entries`, { method: 'POST', headers, body })).status).toBe(201);
  }

  async function checkpoint(): Promise<WitnessedCheckpoint | undefined> {
    const answer = await fetch(`${service.url}/log/checkpoint`);
    if (answer.status !== 200) return undefined;
    const description = (await (await fetch(`${service.url}/log/log.json`)).json()) as { witnessPolicy: string };
    const policy = parsePolicy(Buffer.from(description.witnessPolicy));
    return verifyWitnessed(new Uint8Array(await answer.arrayBuffer()), policy, verifyMlDsa44);
  }
});
