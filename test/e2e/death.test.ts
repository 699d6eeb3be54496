import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseStatement } from '@margo-trust/statement';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LOG_STEPS } from '../../apps/registry/src/log/log-steps.ts';
import { checkReceipt, leafHash, readKeys } from '../independent.mjs';
import { type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { freePort, readyLine, repository, startProgram, startService, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { bytesAt, pause, register, treeOf } from './audit.ts';

const WRITERS = 4;
/** The index map moves once a minute: log-steps.http.test.ts has its steps. */
const STEPS = LOG_STEPS.filter((step) => !step.startsWith('map'));

describe('a process that dies at a step', () => {
  let dataDir: string;
  let postgres: OutsidePostgres;
  let service: Service | undefined;
  let dying: ChildProcess | undefined;
  let draw: () => Uint8Array;
  let env: Record<string, string>;
  const acknowledged: { statement: Uint8Array; body: Uint8Array }[] = [];

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'margo-death-'));
    const policy = join(dataDir, 'policy');
    // A witness that nobody reaches; what is signed is published all the same.
    const vkey = 'w.example+00df7ba9+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
    await writeFile(policy, `witness a ${vkey} http://127.0.0.1:9\nquorum a\n`);
    postgres = await startOutsidePostgres({ settings: ['fsync=on'] });
    const port = await freePort();
    env = { DATABASE_URL: postgres.url, WITNESS_POLICY: policy, WITNESS_MODE: 'open', PORT: String(port) };
    service = await startService({ dataDir, port, env });
    draw = await statementsOf(dataDir);
    await service.stop();
  });
  afterAll(async () => {
    dying?.kill('SIGKILL');
    await service?.stop();
    await postgres?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it.each(STEPS)('starts again after "%s"', async (step) => {
    const child = startProgram(process.execPath, [join(repository, 'test/e2e/dying.mjs')], {
      ...{ ...env, DATA_DIR: dataDir, LOG_LEVEL: 'fatal', DIE_AT: step },
    });
    dying = child;
    const { found: url } = await readyLine(child, /^ready (http\S+)/);
    const death = once(child, 'exit');
    let isDead = false;
    const before = acknowledged.length;
    const writers = Array.from({ length: WRITERS }, async () => {
      while (!isDead) {
        const statement = draw();
        const answer = await register(url, statement).catch(() => undefined);
        if (answer?.status === 201) acknowledged.push({ statement, body: answer.body });
        if (answer === undefined) await pause(0.02); // dead under us: nothing was promised
      }
    });
    while (acknowledged.length < before + WRITERS) await pause(0.02);
    child.kill('SIGUSR2');
    expect(await death).toEqual([null, 'SIGKILL']);
    isDead = true;
    await Promise.all(writers);
  });

  it('has lost nothing that was acknowledged, and forked nowhere', async () => {
    service = await startService({ dataDir, story: false, port: Number(env['PORT']), env });
    const { url } = service;
    const last = draw();
    const { status, body } = await register(url, last);
    expect(status).toBe(201);
    acknowledged.push({ statement: last, body });
    expect(acknowledged.length).toBeGreaterThan(STEPS.length * WRITERS);
    const keys = readKeys(await bytesAt(`${url}/.well-known/scitt-keys`));
    const tree = await covering(url, checkReceipt(body, parseStatement(last).entry, keys).size);
    for (const { statement, body: receipt } of acknowledged) {
      const { entry, entryId } = parseStatement(statement);
      const { index, size, root } = checkReceipt(receipt, entry, keys);
      expect(tree.leaf(index), `entry ${entryId} at its index`).toEqual(leafHash(entry));
      expect(tree.root(size)).toEqual(root);
    }
  });
});

/** The published tree, once the worker has published a checkpoint of that size. */
async function covering(url: string, size: number) {
  for (;;) {
    const tree = await treeOf(url);
    if (tree.size >= size) return tree;
    await pause(0.2);
  }
}
