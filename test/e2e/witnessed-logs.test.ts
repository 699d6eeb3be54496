import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { parseReceipt } from '@margo-trust/receipt';
import { parseStatement } from '@margo-trust/statement';
import { parsePolicy, verifyWitnessed, type Policy, type WitnessedCheckpoint } from '@margo-trust/tlog';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, startService, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { bytesAt, register } from './audit.ts';
import { addLog, makeWitness, pause, runCli, until, type Finished, type Witness } from './witnesses.ts';

const YEAR = '2027.log.registry.localhost';

/** The tests are one story, in order: two of three witnesses are a quorum, and the third never answers. */
describe('a log beside the first, with witnesses', () => {
  let home: string;
  let service: Service;
  let first: Witness;
  let second: Witness;
  let draw: () => Uint8Array;
  let policy: Policy;
  /** A statement in the log, with its receipt. */
  let file: string;
  let entryId: string;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'margo-witnessed-logs-'));
    [first, second] = await Promise.all([makeWitness(home, 'w1'), makeWitness(home, 'w2')]);
    const third = await makeWitness(home, 'w3');
    const lines = [
      `witness one ${first.vkeys[0]} ${first.url}`,
      `witness two ${second.vkeys[0]} ${second.url}`,
      `witness three ${third.vkeys[0]} http://127.0.0.1:${await freePort()}`,
      'group two-of-three 2 one two three',
      'quorum two-of-three',
    ];
    await writeFile(join(home, 'policy'), `${lines.join('\n')}\n`);
    await Promise.all([first.start(), second.start()]);
    const env = { WITNESS_POLICY: join(home, 'policy'), WITNESS_MODE: 'closed' };
    service = await startService({ dataDir: join(home, 'data'), env });
    draw = await statementsOf(service.dataDir);
    const firstPolicy = await policyOf('/log');
    await Promise.all([first, second].map((witness) => addLog(witness, firstPolicy)));
    await until(() => checkpoint('/log', firstPolicy));
  });
  afterAll(async () => {
    await service?.stop();
    await Promise.all([first?.kill(), second?.kill()]);
    await rm(home, { recursive: true, force: true });
  });

  it('shows no checkpoint before a quorum knows it, although one witness does, and gives receipts all the same', async () => {
    await decide('open', '2027');
    expect((await fetch(`${service.url}/logs/2027/checkpoint`)).status).toBe(503);
    const statement = draw();
    entryId = parseStatement(statement).entryId;
    const { status, body } = await register(`${service.url}/logs/2027`, statement);
    expect([status, parseReceipt(body).origin]).toEqual([201, YEAR]);
    await until(() => answered('one', '404'));

    policy = await policyOf('/logs/2027');
    expect(policy.logs.map(({ key }) => key.name)).toContain(YEAR);
    await addLog(first, policy);
    await until(() => answered('one', 'cosigned'));
    await pause(2); // two more rounds
    const shown = await fetch(`${service.url}/logs/2027/checkpoint`);
    expect([shown.status, await shown.json()]).toEqual([503, expect.objectContaining({ code: 'log/not-witnessed' })]);
    expect((await fetch(`${service.url}/entries/${entryId}/proof`)).status).toBe(503);
    expect((await fetch(`${service.url}/log/checkpoint`)).status).toBe(200);
  });

  it('shows what a quorum has cosigned, each under the policy that names its own key', async () => {
    await addLog(second, policy);
    const shown = await until(() => checkpoint('/logs/2027', policy));
    expect(shown.checkpoint.origin).toBe(YEAR);
    expect(shown.cosigners.map(({ name }) => name)).toEqual(['one', 'two']);
    const note = await bytesAt(`${service.url}/logs/2027/checkpoint`);
    const firstPolicy = await policyOf('/log');
    expect(() => verifyWitnessed(note, firstPolicy, verifyMlDsa44)).toThrow();
    expect(await metrics()).toMatch(/log_cosigned_checkpoint_age_seconds\{log="2027\.log\.registry\.localhost"\} \d/);
  });

  it('lets a device demand witnesses of its entries, and find out without a network', async () => {
    await onDevice('root', 'init', '--trust-first-use');
    file = join(home, 'statement.cose');
    await writeFile(file, await bytesAt(`${service.url}/entries/${entryId}/transparent-statement`));
    const proof = join(home, 'entry.tlog-proof');
    await writeFile(proof, await bytesAt(`${service.url}/entries/${entryId}/proof`));
    // The trust root that names the log is published within seconds of its opening.
    await until(async () => {
      await onDevice('root', 'update');
      const { code, stdout } = await onDevice('verify', file, '--offline');
      return code === 0 ? stdout : undefined;
    });

    const { code, stdout } = await onDevice('verify', file, '--offline', '--require-witnesses', '--proof', proof);
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/witnessed +2 of 3 \(one, two\), a quorum/),
    });
    expect((await onDevice('verify', file, '--require-witnesses')).code).toBe(0); // the registry is asked for the proof
    const without = await onDevice('verify', file, '--offline', '--require-witnesses');
    expect(without).toMatchObject({ code: 26, stdout: expect.stringContaining('verify/not-witnessed') });

    const lines = (await readFile(proof, 'utf8')).split('\n');
    const lesser = join(home, 'lesser.tlog-proof');
    await writeFile(lesser, lines.filter((line) => !line.startsWith('\u2014 w2 ')).join('\n'));
    const refused = await onDevice('verify', file, '--offline', '--require-witnesses', '--proof', lesser);
    expect(refused).toMatchObject({ code: 26, stdout: expect.stringContaining('verify/not-witnessed') });
    expect((await onDevice('verify', file, '--offline', '--proof', lesser)).stdout).toMatch(/witnessed +1 of 3/);
  });

  it('is retired with the checkpoint that a quorum has cosigned, and no sooner', async () => {
    await second.kill();
    await decide('freeze', '2027');
    const proposal = await propose('retire', '2027');
    const early = await govern('approve', proposal, '--as', 'bob');
    expect(early.code).not.toBe(0);
    expect(early.stdout).toContain('log/not-witnessed');
    await second.start();
    await until(async () => ((await govern('approve', proposal, '--as', 'bob')).code === 0 ? true : undefined));
    await Promise.all([first.kill(), second.kill()]);

    const shown = await until(() => checkpoint('/logs/2027', policy));
    const { frozen } = JSON.parse(Buffer.from(await bytesAt(`${service.url}/logs/2027/log.json`)).toString()) as {
      frozen: { size: string };
    };
    expect(shown.checkpoint.size).toBe(BigInt(frozen.size));
    expect(shown.cosigners.map(({ name }) => name)).toEqual(['one', 'two']);
    expect(await metrics()).toMatch(/log_cosigned_checkpoint_age_seconds\{log="2027\.log\.registry\.localhost"\} Nan/i);
    expect((await onDevice('verify', file, '--require-witnesses')).code).toBe(0);
  });

  function onDevice(...args: string[]): Promise<Finished> {
    return runCli(args, { HOME: join(home, 'device'), MARGO_TRUST_REGISTRY: service.url });
  }

  const govern = (...args: string[]) => onDevice('--json', 'log', ...args);

  async function propose(...change: string[]): Promise<string> {
    const { code, stdout, stderr } = await govern(...change, '--reason', 'Test.', '--as', 'alice');
    expect(code, stderr).toBe(0);
    return (JSON.parse(stdout) as { proposal: { id: string } }).proposal.id;
  }

  async function decide(...change: string[]): Promise<void> {
    const { code, stdout, stderr } = await govern('approve', await propose(...change), '--as', 'bob');
    expect(code, stdout + stderr).toBe(0);
  }

  /** The policy that the log itself shows: its own keys, and the witnesses of the registry. */
  async function policyOf(path: string): Promise<Policy> {
    const description = await bytesAt(`${service.url}${path}/log.json`);
    const { witnessPolicy } = JSON.parse(Buffer.from(description).toString()) as { witnessPolicy: string };
    return parsePolicy(Buffer.from(witnessPolicy));
  }

  /** The published checkpoint, verified as a stranger would; undefined while there is none. */
  async function checkpoint(path: string, under: Policy): Promise<WitnessedCheckpoint | undefined> {
    const answer = await fetch(`${service.url}${path}/checkpoint`);
    if (answer.status !== 200) return undefined;
    return verifyWitnessed(new Uint8Array(await answer.arrayBuffer()), under, verifyMlDsa44);
  }

  async function metrics(): Promise<string> {
    return (await fetch(`${service.url}/metrics`)).text();
  }

  async function answered(witness: string, outcome: string): Promise<true | undefined> {
    const counted = `log_witness_answers_total{log="${YEAR}",witness="${witness}",outcome="${outcome}"} `;
    return (await metrics()).includes(counted) ? true : undefined;
  }
});
