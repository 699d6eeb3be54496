import { execFileSync } from 'node:child_process';
import { createPrivateKey, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTrustRoot } from '@margo-trust/client';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import {
  encodeAddCheckpoint,
  encodeCheckpoint,
  encodeNote,
  parsePolicy,
  TlogFault,
  verifyWitnessed,
  type Policy,
  type WitnessedCheckpoint,
} from '@margo-trust/tlog';
import { freePort, startService, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { addLog, makeWitness, pause, runCli, until, type Finished, type Witness } from './witnesses.ts';

const ORIGIN = 'log.registry.localhost';

describe('a registry whose checkpoints are witnessed', () => {
  let home: string;
  let service: Service;
  let first: Witness;
  let second: Witness;
  let stranger: Server;
  /** What the third witness does: it speaks HTTP and nothing else that it should. */
  let misbehave: (request: IncomingMessage, response: ServerResponse) => void;
  let policy: Policy;
  let draw: () => Uint8Array;
  let mode = 'closed';
  const options = { port: 0 };

  const start = async (story: boolean): Promise<void> => {
    const env = { WITNESS_POLICY: join(home, 'policy'), WITNESS_MODE: mode };
    service = await startService({ dataDir: join(home, 'data'), port: options.port, story, env });
  };

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'margo-witnessed-'));
    options.port = await freePort();
    [first, second] = await Promise.all([makeWitness(home, 'w1'), makeWitness(home, 'w2')]);
    misbehave = (_, response) => void response.writeHead(500).end();
    stranger = createServer((request, response) => misbehave(request, response)).listen(0, '127.0.0.1');
    await once(stranger, 'listening');
    const { port } = stranger.address() as AddressInfo;
    const third = await makeWitness(home, 'w3');
    const lines = [
      `witness one ${first.vkeys[0]} ${first.url}`,
      `witness two ${second.vkeys[1]} ${second.url}`, // its ML-DSA-44 key
      `witness three ${third.vkeys[0]} http://127.0.0.1:${port}`,
      'group two-of-three 2 one two three',
      'quorum two-of-three',
    ];
    await writeFile(join(home, 'policy'), `${lines.join('\n')}\n`);
    await Promise.all([first.start(), second.start()]);
    await start(true);
    draw = await statementsOf(service.dataDir);
    const description = (await (await fetch(`${service.url}/log/log.json`)).json()) as { witnessPolicy: string };
    policy = parsePolicy(Buffer.from(description.witnessPolicy));
  });
  afterAll(async () => {
    await service?.stop();
    await Promise.all([first?.kill(), second?.kill()]);
    stranger?.close();
    await rm(home, { recursive: true, force: true });
  });

  it('shows no checkpoint before a quorum knows the log, and gives receipts all the same', async () => {
    const answer = await fetch(`${service.url}/log/checkpoint`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ code: 'log/not-witnessed' });
    expect(await register()).toBe(201);
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toMatch(
      /log_witness_answers_total\{log="log\.registry\.localhost",witness="one",outcome="404"\} [1-9]/,
    );
  });

  it('shows what a quorum has cosigned, without being restarted', async () => {
    await Promise.all([first, second].map((witness) => addLog(witness, policy)));
    const shown = await until(() => checkpoint());
    expect(shown.cosigners.map(({ name }) => name)).toEqual(['one', 'two']);
    expect(shown.log).toEqual(policy.logs.map(({ key }) => key)); // Ed25519 and ML-DSA-44
    const size = await headSize();
    // The log may have grown meanwhile, by a record of its index map.
    const { checkpoint: cosigned } = await until(async () => atLeast(await checkpoint(), size));
    expect(cosigned.size).toBeGreaterThanOrEqual(size);
    const health = (await (await fetch(`${service.url}/readyz`)).json()) as { witnesses: Record<string, string> };
    expect(health.witnesses['checkpoint']).toMatch(/ entries, cosigned /);
    expect(health.witnesses['three']).toBe('refused with 500');
  });

  it('lets a device demand witnesses, and find out without a network', async () => {
    const evidence = join(home, 'evidence.bundle');
    const early = join(service.dataDir, 'demo/evidence.bundle'); // made before a witness knew the log
    await onDevice('root', 'init', '--trust-first-use');
    await until(async () => {
      await onDevice('root', 'update');
      return liveCheckpoint();
    });
    const reference = `${join(service.dataDir, 'demo/app.oci')}:1.0.0`;
    await onDevice('bundle', 'create', reference, '--output', evidence);

    const { code, stdout } = await onDevice('verify', evidence, '--offline', '--require-witnesses');
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/witnessed +2 of 3 \(one, two\), a quorum/),
    });
    const refused = await onDevice('verify', early, '--offline', '--require-witnesses');
    expect(refused).toMatchObject({ code: 26, stdout: expect.stringContaining('verify/not-witnessed') });
    expect((await onDevice('verify', early, '--offline')).stdout).toMatch(/witnessed +0 of 3, no quorum/);
    expect((await onDevice('verify', reference, '--require-witnesses')).code).toBe(0);
  });

  it.each([
    [
      'redirects',
      (_: IncomingMessage, response: ServerResponse) => response.writeHead(302, { Location: first.url }).end(),
    ],
    ['never ends', (_: IncomingMessage, response: ServerResponse) => response.writeHead(200).write('\u2014 ')],
    ['answers megabytes', (_: IncomingMessage, response: ServerResponse) => response.end('x'.repeat(2_000_000))],
    ['answers another key', (_: IncomingMessage, response: ServerResponse) => response.end('\u2014 w3 QUJDREVGR0g=\n')],
    [
      'speaks of a tree that is no number',
      (_: IncomingMessage, response: ServerResponse) => response.writeHead(409).end('many\n'),
    ],
  ] as const)('is not held up by a witness that %s', async (_, behave) => {
    misbehave = (request, response) => void behave(request, response);
    expect(await register()).toBe(201);
    const size = await headSize();
    const shown = await until(async () => atLeast(await checkpoint(), size));
    expect(shown.cosigners.map(({ name }) => name)).toEqual(['one', 'two']);
  });

  it('keeps showing the last one with a quorum while a witness is away, and catches up', async () => {
    misbehave = (_, response) => void response.writeHead(500).end();
    await second.kill();
    const before = await until(() => checkpoint());
    expect(await register()).toBe(201);
    await pause(3);
    expect((await checkpoint())?.checkpoint.size).toBe(before.checkpoint.size);
    await second.start();
    const size = await headSize();
    expect((await until(async () => atLeast(await checkpoint(), size))).checkpoint.size).toBe(size);
  });

  it('loses nothing when witnesses and service are killed in the middle of it', async () => {
    let largest = 0n;
    for (let round = 0; round < 4; round++) {
      await Promise.all(Array.from({ length: 8 }, () => register()));
      const victim = round % 2 === 0 ? first : second;
      await victim.kill();
      await Promise.all(Array.from({ length: 8 }, () => register()));
      await victim.start();
      const size = await headSize();
      const shown = await until(async () => atLeast(await checkpoint(), size));
      expect(shown.checkpoint.size).toBeGreaterThan(largest);
      largest = shown.checkpoint.size;
    }
  });

  it('cannot have a fork or a rollback cosigned, although it has the key', async () => {
    const { checkpoint: cosigned } = await until(() => checkpoint());
    const forged = await signCheckpoint({ ...cosigned, root: new Uint8Array(32).fill(7) });
    const grown = await signCheckpoint({ ...cosigned, size: cosigned.size + 5n, root: new Uint8Array(32).fill(7) });
    const shrunk = await signCheckpoint({ ...cosigned, size: 1n });
    const ask = async (oldSize: bigint, note: Uint8Array) => {
      const body = Buffer.from(encodeAddCheckpoint({ oldSize, path: [], checkpoint: note }));
      const answer = await fetch(`${first.url}/add-checkpoint`, { method: 'POST', body });
      return [answer.status, await answer.text()] as const;
    };
    for (const [status, text] of [
      await ask(cosigned.size, forged),
      await ask(cosigned.size, grown),
      await ask(1n, shrunk),
    ]) {
      expect([409, 422]).toContain(status);
      expect(text).not.toContain('\u2014');
    }
  });

  it('never goes back when it changes to open, and then shows what one witness alone has cosigned', async () => {
    const before = await until(() => checkpoint());
    await service.stop();
    await second.kill();
    mode = 'open';
    await start(false);
    expect((await checkpoint())?.checkpoint.size).toBeGreaterThanOrEqual(before.checkpoint.size);
    expect(await register()).toBe(201);
    const size = await headSize();
    const shown = await until(async () => atLeast(await checkpoint(anyNumber), size));
    expect(shown.cosigners.map(({ name }) => name)).toEqual(['one']);
    await service.stop();
    await second.start();
    mode = 'closed';
    await start(false);
    const again = await until(async () => atLeast(await checkpoint(), size));
    expect(again.cosigners.map(({ name }) => name)).toEqual(['one', 'two']);
  });

  it('does not go on from an older copy of its database that a witness has seen beyond', async () => {
    await service.stop();
    copyWithOwners(join(home, 'data'), join(home, 'backup'));
    await start(false);
    expect(await register()).toBe(201);
    const size = await headSize();
    await until(async () => atLeast(await checkpoint(), size));
    await service.stop();
    await rm(join(home, 'data'), { recursive: true });
    copyWithOwners(join(home, 'backup'), join(home, 'data'));
    await start(false);
    const answer = await post();
    expect(answer.status).toBe(503);
    const health = (await (await fetch(`${service.url}/readyz`)).json()) as { failures: Record<string, string> };
    expect(health.failures['log']).toContain('a witness has seen');
  });

  /** The command line tool at home on a device. */
  function onDevice(...args: string[]): Promise<Finished> {
    return runCli(args, { HOME: join(home, 'device'), MARGO_TRUST_REGISTRY: service.url });
  }

  /** The checkpoint in the device's trust root, if a quorum has cosigned it. */
  async function liveCheckpoint(): Promise<WitnessedCheckpoint | undefined> {
    const directory = join(home, 'device/.local/share/margo-trust/trust-root');
    const bytes = (await loadTrustRoot(directory, { now: new Date() })).target('live.checkpoint');
    try {
      return verifyWitnessed(bytes, policy, verifyMlDsa44);
    } catch (error) {
      if (error instanceof TlogFault && error.code === 'tlog/no-quorum') return undefined;
      throw error;
    }
  }

  /** The published checkpoint, verified as a stranger would; undefined while there is none. */
  async function checkpoint(under: (policy: Policy) => Policy = (p) => p): Promise<WitnessedCheckpoint | undefined> {
    const answer = await fetch(`${service.url}/log/checkpoint`);
    if (answer.status !== 200) return undefined;
    return verifyWitnessed(new Uint8Array(await answer.arrayBuffer()), under(policy), verifyMlDsa44);
  }

  async function headSize(): Promise<bigint> {
    const log = (await (await fetch(`${service.url}/api/v1/log`)).json()) as { size: string };
    return BigInt(log.size);
  }

  function post(): Promise<Response> {
    const headers = { 'content-type': 'application/cose' };
    return fetch(`${service.url}/entries`, { method: 'POST', headers, body: draw() as Uint8Array<ArrayBuffer> });
  }

  async function register(): Promise<number> {
    return (await post()).status;
  }

  /** With the log's own key, as whoever broke into it would. */
  async function signCheckpoint(tree: { size: bigint; root: Uint8Array }): Promise<Uint8Array> {
    const text = encodeCheckpoint({ origin: ORIGIN, extensions: [], ...tree });
    const key = createPrivateKey(await readFile(join(home, 'data/keys/log-checkpoint.pem')));
    const signature = new Uint8Array(sign(null, Buffer.from(text), key));
    const { keyHash } = policy.logs[0]!.key;
    return encodeNote({ text, signatures: [{ name: ORIGIN, keyHash, signature }] });
  }
});

const anyNumber = (policy: Policy): Policy => ({ ...policy, quorum: undefined });

function atLeast(shown: WitnessedCheckpoint | undefined, size: bigint): WitnessedCheckpoint | undefined {
  return shown && shown.checkpoint.size >= size ? shown : undefined;
}

/** PostgreSQL runs as another user than root, and wants its files to be its own. */
function copyWithOwners(from: string, to: string): void {
  execFileSync('cp', ['-a', from, to]);
}
