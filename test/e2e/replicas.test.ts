import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'cborg';
import { parseStatement } from '@margo-trust/statement';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { startService, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { checkReceipt, leafHash, readKeys } from '../independent.mjs';
import { bytesAt, pause, register, treeOf, until } from './audit.ts';

interface Answer {
  readonly replica: number;
  readonly statement: Uint8Array;
  readonly status: number;
  readonly body: Uint8Array;
  readonly seconds: number;
}

/** How much longer than usual callers of a healthy replica may wait while another one stands still in the middle of sealing. */
const TAKEOVER_SECONDS = 5;

describe('three replicas on one database', () => {
  let postgres: OutsidePostgres;
  let directory: string;
  let replicas: Service[];
  let draw: () => Uint8Array;
  let database: Client;

  const startReplica = (n: number) =>
    startService({
      dataDir: join(directory, String(n)),
      story: n === 0,
      env: {
        DATABASE_URL: `${postgres.url}?application_name=replica-${n}`,
        KEYS_DIR: join(directory, 'keys'),
      },
    });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-replicas-'));
    postgres = await startOutsidePostgres();
    const first = await startReplica(0);
    replicas = [first, ...(await Promise.all([startReplica(1), startReplica(2)]))];
    draw = await statementsOf(first.dataDir);
    database = new Client({ connectionString: postgres.url });
    await database.connect();
  });
  afterAll(async () => {
    await database?.end();
    for (const { child } of replicas ?? []) child.kill('SIGCONT');
    await Promise.all((replicas ?? []).map((replica) => replica.stop()));
    await postgres?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('all accept, and give the same statement the same index, size and root, whoever is asked and at once', async () => {
    for (let round = 0; round < 20; round += 1) {
      const statement = draw();
      const answers = await Promise.all(replicas.map(({ url }) => register(url, statement)));
      expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
      const { entry, entryId } = parseStatement(statement);
      const keys = readKeys(await bytesAt(`${replicas[0]!.url}/.well-known/scitt-keys`));
      const places = answers.map(({ body }) => checkReceipt(body, entry, keys));
      expect(places[1]).toEqual(places[0]);
      expect(places[2]).toEqual(places[0]);
      // ECDSA signatures differ from process to process; what they sign does not.
      const again = await Promise.all(replicas.map(({ url }) => bytesAt(`${url}/entries/${entryId}`)));
      expect(again.map((receipt) => checkReceipt(receipt, entry, keys))).toEqual([places[0], places[0], places[0]]);
    }
  });

  it('go on when one of them stands still in the middle of sealing, and it signs nothing when it wakes', async () => {
    const load = startLoad(replicas, draw);
    const zombie = replicas[0]!;
    await stopWhileSealing(zombie.child);
    const usual = longest(load.answers);
    const stoppedAt = performance.now();
    await pause(TAKEOVER_SECONDS + 1);
    const before = await treeOf(replicas[1]!.url);
    zombie.child.kill('SIGCONT');
    const wokenAt = performance.now();
    const isRecovered = ({ replica, at, status }: Sent) => replica === 0 && at > wokenAt && status === 201;
    await until(async () => load.answers.some(isRecovered));
    const answers = await load.end();

    const healthy = answers.filter(({ replica, at }) => replica !== 0 && at > stoppedAt && at < wokenAt);
    expect(healthy.length).toBeGreaterThan(20);
    expect(new Set(healthy.map(({ status }) => status))).toEqual(new Set([201]));
    expect(longest(healthy)).toBeLessThan(TAKEOVER_SECONDS + usual);

    const cut = answers.filter(({ replica, status }) => replica === 0 && status !== 201);
    expect(cut.length).toBeGreaterThan(0); // the batch that it was sealing
    expect(new Set(cut.map(({ status }) => status))).toEqual(new Set([503]));
    const codes = new Set(cut.map(({ body }) => codeOf(body)));
    codes.delete('database/unavailable'); // of those that waited for a connection meanwhile
    expect(codes).toEqual(new Set(['database/interrupted']));
    // What was cut off is in the log once or not at all; asking again settles it, with one index for all replicas.
    for (const { statement } of cut.slice(0, 5)) {
      const settled = await Promise.all(replicas.map(({ url }) => register(url, statement)));
      expect(settled.map(({ status }) => status)).toEqual([201, 201, 201]);
    }
    await expectNoFork(answers);
    const after = await treeOf(replicas[0]!.url);
    expect(after.root(before.size)).toEqual(before.root(before.size));
  });

  it('go on when one of them is killed in the middle of sealing, and it comes back', async () => {
    const load = startLoad(replicas, draw);
    const victim = replicas[2]!;
    await stopWhileSealing(victim.child);
    const ended = once(victim.child, 'exit');
    const usual = longest(load.answers);
    const killedAt = performance.now();
    victim.child.kill('SIGKILL');
    await ended;
    await pause(3);
    const healthy = (await load.end()).filter(({ replica, at }) => replica !== 2 && at > killedAt);
    expect(new Set(healthy.map(({ status }) => status))).toEqual(new Set([201]));
    expect(longest(healthy)).toBeLessThan(TAKEOVER_SECONDS + usual);

    replicas[2] = await startReplica(2);
    const { status, body } = await register(replicas[2].url, draw());
    expect(status, Buffer.from(body).toString()).toBe(201);
    await expectNoFork(healthy);
  });

  /** Stops the process at a moment when the database says that it holds the head and owes the next statement. */
  async function stopWhileSealing(child: ChildProcess): Promise<void> {
    const name = `replica-${replicas.findIndex((replica) => replica.child === child)}`;
    for (let attempt = 0; attempt < 500; attempt += 1) {
      child.kill('SIGSTOP');
      await pause(0.05); // what it has sent already is done by then
      const { rowCount } = await database.query(
        `SELECT FROM pg_stat_activity a JOIN pg_locks l USING (pid)
         WHERE a.application_name = $1 AND a.state = 'idle in transaction'
           AND l.relation = 'log_head'::regclass AND l.mode IN ('RowShareLock', 'RowExclusiveLock')`,
        [name],
      );
      if ((rowCount ?? 0) > 0) return;
      child.kill('SIGCONT');
      await pause(0.02 + Math.random() * 0.05);
    }
    throw new Error(`${name} was never caught while it sealed.`);
  }

  async function expectNoFork(answers: readonly Answer[]): Promise<void> {
    const keys = readKeys(await bytesAt(`${replicas[0]!.url}/.well-known/scitt-keys`));
    const acknowledged = answers.filter(({ status }) => status === 201);
    const read = acknowledged.map(({ statement, body }) => checkReceipt(body, parseStatement(statement).entry, keys));
    const tree = await treeOf(replicas[1]!.url);
    for (const [i, { statement }] of acknowledged.entries()) {
      const { index, size, root } = read[i]!;
      expect(tree.leaf(index)).toEqual(leafHash(parseStatement(statement).entry));
      expect(tree.root(size)).toEqual(root);
    }
  }
});

/** When its request was sent, on the clock of `performance.now()`. */
type Sent = Answer & { readonly at: number };

/** Four writers a replica, each with one request at a time, until told to end. */
function startLoad(replicas: readonly Service[], draw: () => Uint8Array) {
  const answers: Sent[] = [];
  let isOver = false;
  const write = async (replica: number) => {
    while (!isOver) {
      const statement = draw();
      const at = performance.now();
      try {
        const { status, body } = await register(replicas[replica]!.url, statement);
        answers.push({ replica, statement, status, body, at, seconds: (performance.now() - at) / 1000 });
      } catch {
        await pause(0.1); // killed under us: nothing was promised
      }
    }
  };
  const writers = replicas.flatMap((_, replica) => Array.from({ length: 4 }, () => write(replica)));
  return {
    answers: answers as readonly Sent[],
    end: async () => {
      isOver = true;
      await Promise.all(writers);
      return answers;
    },
  };
}

function longest(answers: readonly Sent[]): number {
  return Math.max(0, ...answers.map(({ seconds }) => seconds));
}

/** The code in Concise Problem Details (RFC 9290): ours rides in the one entry whose key is a URI. */
function codeOf(problem: Uint8Array): unknown {
  const members = decode(problem, { useMaps: true }) as Map<unknown, unknown>;
  const ours = [...members].find(([key]) => typeof key === 'string')?.[1] as Map<string, unknown> | undefined;
  return ours?.get('code');
}
