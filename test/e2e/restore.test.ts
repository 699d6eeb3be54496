import { execFile } from 'node:child_process';
import { cpSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseStatement } from '@margo-trust/statement';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkReceipt, leafHash, readKeys } from '../independent.mjs';
import { type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { cleanEnvironment, repository, startService, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { bytesAt, register, treeOf } from './audit.ts';

const CLI = join(repository, 'apps/cli/dist/margo-trust.js');

describe('a database restored from an older copy', () => {
  let directory: string;
  let postgres: OutsidePostgres;
  let service: Service;
  let draw: () => Uint8Array;
  const acknowledged: { statement: Uint8Array; body: Uint8Array }[] = [];

  const env = () => ({ DATABASE_URL: postgres.url, DATA_DIR: join(directory, 'data'), LOG_LEVEL: 'error' });
  const start = (story = false) => startService({ dataDir: env().DATA_DIR, story, env: env() });
  const cli = async (...args: string[]) => {
    const options = { cwd: directory, env: { ...cleanEnvironment(), ...env() } };
    return promisify(execFile)(process.execPath, [CLI, ...args], options).then(
      ({ stdout }) => ({ code: 0, stdout }),
      (error: { code: number; stdout: string; stderr: string }) => ({
        code: error.code,
        stdout: error.stdout + error.stderr,
      }),
    );
  };
  const registerMore = async (count: number, path = '') => {
    for (let i = 0; i < count; i += 1) {
      const statement = draw();
      const { status, body } = await register(`${service.url}${path}`, statement);
      expect(status).toBe(201);
      acknowledged.push({ statement, body });
    }
  };
  const openLog = async (name: string) => {
    const log = (...args: string[]) => cli('--registry', service.url, '--json', 'log', ...args);
    const proposed = await log('open', name, '--reason', 'Test.', '--as', 'alice');
    expect(proposed, proposed.stdout).toMatchObject({ code: 0 });
    const { proposal } = JSON.parse(proposed.stdout) as { proposal: { id: string } };
    const approved = await log('approve', proposal.id, '--as', 'bob');
    expect(approved, approved.stdout).toMatchObject({ code: 0 });
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-restore-'));
    postgres = await startOutsidePostgres();
    service = await start(true);
    draw = await statementsOf(env().DATA_DIR);
  });
  afterAll(async () => {
    await service?.stop();
    await postgres?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('is served, takes no entry and signs nothing new, until it is brought to what was published', async () => {
    await registerMore(20);
    await openLog('2027');
    await registerMore(2, '/logs/2027');
    await service.stop();
    await postgres.halt();
    const backup = join(directory, 'backup');
    cpSync(postgres.data, backup, { recursive: true });
    await postgres.resume();
    service = await start();
    await registerMore(2, '/logs/2027');
    await openLog('2028');
    await registerMore(2, '/logs/2028');
    const others = acknowledged.slice(-6);
    await registerMore(300); // across a tile border
    const published = await treeOf(service.url);
    const mirror = join(directory, 'mirror');
    const { checkpointKey } = (await (await fetch(`${service.url}/log/log.json`)).json()) as { checkpointKey: string };
    const mirrored = await cli('log', 'mirror', mirror, '--all', '--from', service.url, '--log-key', checkpointKey);
    expect(mirrored, mirrored.stdout).toMatchObject({ code: 0 });
    await service.stop();

    await postgres.halt();
    await rm(postgres.data, { recursive: true });
    cpSync(backup, postgres.data, { recursive: true });
    postgres.adopt();
    await postgres.resume();
    service = await start();

    // Nobody was asked to wait: the first write is refused.
    const refused = await register(service.url, draw());
    expect(refused.status).toBe(503);
    expect(Buffer.from(refused.body).toString()).toContain('log/behind');
    expect((await register(`${service.url}/logs/2027`, draw())).status).toBe(503);
    const ready = await fetch(`${service.url}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toMatch(/high-water\.json has seen \d+.*margo-trust log recover/);
    const [old] = acknowledged;
    const { entryId, entry } = parseStatement(old!.statement);
    const keys = readKeys(await bytesAt(`${service.url}/.well-known/scitt-keys`));
    const served = checkReceipt(await bytesAt(`${service.url}/entries/${entryId}`), entry, keys);
    expect(served).toEqual(checkReceipt(old!.body, entry, keys));
    expect((await fetch(`${service.url}/log/checkpoint`)).status).toBe(503);

    const loss = await cli('log', 'recover', '--accept-loss');
    expect(loss).toMatchObject({ code: 2, stdout: expect.stringContaining('somebody has seen those entries') });
    const dry = await cli('log', 'recover', '--from', mirror, '--dry-run');
    expect(dry).toMatchObject({ code: 1, stdout: expect.stringContaining('The copy leads on from it') });
    expect((await register(service.url, draw())).status).toBe(503);

    const recovered = await cli('log', 'recover', '--from', mirror);
    expect(recovered, recovered.stdout).toMatchObject({ code: 0 });
    await service.stop();
    service = await start();
    expect((await treeOf(service.url)).root(published.size)).toEqual(published.root(published.size));
    await registerMore(1);
    const tree = await treeOf(service.url);
    const inFirst = acknowledged.filter((one) => !others.includes(one));
    expect(others.length + inFirst.length).toBe(acknowledged.length);
    for (const { statement, body } of inFirst) {
      const leaf = parseStatement(statement);
      const { index, size, root } = checkReceipt(body, leaf.entry, keys);
      expect(tree.leaf(index)).toEqual(leafHash(leaf.entry));
      expect(tree.root(size)).toEqual(root);
    }
    // The same receipts as before: entries came back under the heads that first covered them, in whichever log they are.
    const now = readKeys(await bytesAt(`${service.url}/.well-known/scitt-keys`));
    for (const { statement, body } of [acknowledged.at(-5)!, ...others]) {
      const { entry, entryId } = parseStatement(statement);
      const again = await bytesAt(`${service.url}/entries/${entryId}`);
      expect(checkReceipt(again, entry, now)).toEqual(checkReceipt(body, entry, now));
    }
    for (const name of ['2027', '2028']) await registerMore(1, `/logs/${name}`);
  });

  it('is not brought to a copy that is not this log', async () => {
    const other = await startService({ story: false });
    try {
      const refused = await cli('log', 'recover', '--from', other.url);
      expect(refused).toMatchObject({ code: 2, stdout: expect.stringContaining('not signed with the key of') });
    } finally {
      await other.stop();
    }
  });
});
