import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseReceipt } from '@margo-trust/receipt';
import { parseStatement } from '@margo-trust/statement';
import type { LogInfo, LogProposal } from '@margo-trust/wire';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCli } from '../cli.ts';
import { checkReceipt, readKeys } from '../independent.mjs';
import { type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { startService, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { bytesAt, pause, register, until } from './audit.ts';

const YEAR = '2027.log.registry.localhost';
const NEXT = '2028.log.registry.localhost';

interface Answer {
  readonly replica: number;
  readonly statement: Uint8Array;
  readonly status: number;
  readonly body: Uint8Array;
  readonly at: number;
}

describe('a log that is frozen under three replicas', () => {
  const cli = new TestCli();
  let postgres: OutsidePostgres;
  let directory: string;
  const replicas: Service[] = [];
  let draw: () => Uint8Array;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-several-logs-'));
    postgres = await startOutsidePostgres();
    const env = { DATABASE_URL: postgres.url, KEYS_DIR: join(directory, 'keys') };
    const start = (n: number) => startService({ dataDir: join(directory, String(n)), story: n === 0, env });
    for (const n of [0, 1, 2]) replicas.push(await start(n));
    draw = await statementsOf(replicas[0]!.dataDir);
  });
  afterAll(async () => {
    await Promise.all(replicas.map((replica) => replica.stop()));
    await postgres?.stop();
    await rm(directory, { recursive: true, force: true });
    await rm(cli.home, { recursive: true, force: true });
  });

  async function must<T>(args: string[], account?: string): Promise<T> {
    const who = account === undefined ? [] : ['--as', account];
    // Governance are those whom the process that started last has seated.
    const finished = await cli.run(['--registry', replicas[2]!.url, '--json', ...who, 'log', ...args]);
    expect(finished.code, finished.stderr + finished.stdout).toBe(0);
    return finished.json<T>();
  }
  const propose = async (...args: string[]) =>
    (await must<{ proposal: LogProposal }>([...args, '--reason', 'Test.'], 'alice')).proposal.id;
  const approve = async (id: string) => (await must<{ logs: LogInfo[] }>(['approve', id], 'bob')).logs;

  it('takes nothing after the record that says so, breaks no promise, and hands over to the next', async () => {
    await approve(await propose('open', '2027'));
    await approve(await propose('open', '2028'));
    await approve(await propose('close'));
    for (const { url } of replicas) {
      await until(async () => (await fetch(`${url}/logs/2028/checkpoint`)).ok);
    }

    const answers: Answer[] = [];
    let isOver = false;
    const write = async (replica: number) => {
      while (!isOver) {
        const [statement, at] = [draw(), performance.now()];
        const { status, body } = await register(replicas[replica]!.url, statement);
        answers.push({ replica, statement, status, body, at });
      }
    };
    const load = replicas.flatMap((_, replica) => Array.from({ length: 4 }, () => write(replica)));
    const freeze = await propose('freeze', '2027');
    await until(async () => answers.length > 60);
    const logs = await approve(freeze);
    const frozenAt = performance.now();
    await until(async () => answers.filter(({ at }) => at > frozenAt).length > 60);
    isOver = true;
    await Promise.all(load);

    // Nobody was turned away, and every receipt holds.
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    const keys = readKeys(await bytesAt(`${replicas[1]!.url}/.well-known/scitt-keys`));
    for (const { statement, body } of answers) checkReceipt(body, parseStatement(statement).entry, keys);
    const originOf = ({ body }: Answer) => parseReceipt(body).origin;
    expect(new Set(answers.map(originOf))).toEqual(new Set([YEAR, NEXT]));
    const late = answers.filter(({ at }) => at > frozenAt);
    expect(new Set(late.map(originOf))).toEqual(new Set([NEXT]));
    expect(new Set(late.map(({ replica }) => replica)).size).toBe(3);

    // The log ends with the record, and has all that it has promised.
    const { size = '' } = logs.find(({ origin }) => origin === YEAR) ?? {};
    const last = (await (await fetch(`${replicas[2]!.url}/api/v1/logs/2027/entries?limit=1`)).json()) as {
      items: { index: string; subject: string }[];
    };
    expect(last.items[0]).toMatchObject({ index: String(BigInt(size) - 1n), subject: `log:${YEAR}` });
    await pause(2);
    for (const { url } of replicas) {
      const note = Buffer.from(await bytesAt(`${url}/logs/2027/checkpoint`)).toString();
      expect(note.split('\n').slice(0, 2)).toEqual([YEAR, size]);
    }
    const early = answers.filter((answer) => originOf(answer) === YEAR);
    for (const { body } of early) expect(parseReceipt(body).size! < BigInt(size)).toBe(true);
    for (const { statement, body } of early.slice(-10)) {
      const { entry, entryId } = parseStatement(statement);
      for (const { url } of replicas) {
        expect(checkReceipt(await bytesAt(`${url}/entries/${entryId}`), entry, keys)).toEqual(
          checkReceipt(body, entry, keys),
        );
      }
    }
    const from = ['--from', `${replicas[1]!.url}/logs/2027`, '--trust-first-use'];
    const { fsck } = await must<{ fsck: { entries: string } }>(['fsck', ...from, '--receipts', 'all']);
    expect(String(fsck.entries)).toBe(size);
    const { replay } = await must<{ replay: { admissions: number } }>(['replay', ...from]);
    expect(replay.admissions).toBe(early.length);
    await must(['replay', '--from', `${replicas[1]!.url}/logs/2028`, '--trust-first-use']);
    await must(['replay', '--from', replicas[1]!.url, '--trust-first-use']);
  });
});
