import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseStatement } from '@margo-trust/statement';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signSomeArtifact } from '../../../../../test/artifact.ts';
import { TestCli } from '../../../../../test/cli.ts';
import { admitVendor, call, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { PublishTiles } from './publish-tiles.ts';
import { TileStore } from './tile-store.ts';

describe('an auditor with the tile store alone', () => {
  const store = mkdtempSync(join(tmpdir(), 'margo-tiles-'));
  const cli = new TestCli();
  let registry: TestRegistry;
  let logKey: string;
  let register: () => Promise<{ id: string; payload: Uint8Array }>;

  beforeAll(async () => {
    registry = await startTestRegistry({ env: { TILE_STORE: 'directory', TILE_DIRECTORY: store } });
    const vendor = await admitVendor(registry);
    const { pem, key } = makeCsr();
    const { chain } = await issueTo(registry, vendor, pem);
    register = async () => {
      const body = signSomeArtifact(`https://${vendor}.vendors.registry.localhost/`, key, chain);
      const headers = { 'content-type': 'application/cose' };
      expect((await fetch(`${registry.url}/entries`, { method: 'POST', headers, body })).status).toBe(201);
      const { entryId, payload } = parseStatement(body);
      return { id: entryId, payload };
    };
    for (let count = 0; count < 260; count += 20) await Promise.all(Array.from({ length: 20 }, register));
    const description = (await (await fetch(`${registry.url}/log/log.json`)).json()) as { checkpointKey: string };
    logKey = description.checkpointKey;
  });
  afterAll(async () => {
    await registry?.close();
    for (const directory of [store, cli.home]) rmSync(directory, { recursive: true, force: true });
  });

  const publish = () => registry.app.get(PublishTiles).run();
  const decide = async (id: string, what: 'restriction' | 'erasure', account: string) => {
    const body = { reason: 'Court order 17.' };
    const answer = await call(registry, 'post', `/api/v1/log/entries/${id}/${what}`, account, body);
    expect(answer.status, answer.text).toBeLessThan(300);
  };
  const files = () =>
    readdirSync(store, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(store.length + 1));
  const holds = (bytes: Uint8Array) =>
    files().filter((path) => readFileSync(join(store, path)).includes(Buffer.from(bytes)));
  const audit = async (command: string[]) => {
    const { stdout, code } = await cli.run(['log', ...command, '--from', store, '--log-key', logKey, '--json']);
    return {
      code,
      ...(JSON.parse(stdout) as { replay?: { entries: string; erased: number }; fsck?: object; error?: object }),
    };
  };
  const size = async () => ((await call(registry, 'get', '/api/v1/log')).body as { size: string }).size;

  it('takes every decision again, and mirrors it', async () => {
    await publish();
    expect(await audit(['replay'])).toMatchObject({ code: 0, replay: { entries: await size(), erased: 0 } });
    expect(await audit(['fsck'])).toMatchObject({ code: 0, fsck: { entries: await size() } });
    expect(await audit(['mirror', cli.path('mirror')])).toMatchObject({ code: 0 });
    expect(files()).not.toContain('evidence.json'); // every bundle lies under its plain name
  });

  it('no longer finds what was restricted, and finds it again when it is released', async () => {
    const { id, payload } = await register();
    await publish();
    expect(holds(payload)).not.toEqual([]);
    await decide(id, 'restriction', 'alice');
    await publish();
    expect(holds(payload)).toEqual([]);
    expect(await audit(['replay'])).toMatchObject({ code: 0, replay: { entries: await size(), erased: 1 } });
    expect(await audit(['mirror', cli.path('mirror')])).toMatchObject({ code: 0 });

    await call(registry, 'delete', `/api/v1/log/entries/${id}/restriction`, 'alice');
    await publish();
    expect(holds(payload)).not.toEqual([]);
    expect(await audit(['replay'])).toMatchObject({ code: 0, replay: { erased: 0 } });
    expect(files().filter((path) => path.includes('.r/'))).toEqual([]);
  });

  it('no longer finds what was erased, whenever the one who erases dies', async () => {
    for (let last = 0; ; last += 1) {
      const { id, payload } = await register();
      await publish();
      for (const account of ['alice', 'bob']) await decide(id, 'erasure', account);
      const survived = await dying(last);
      const meanwhile = await audit(['replay']);
      // By the checkpoint from before, no record explains yet why the statement is gone: as on the service itself.
      if (meanwhile.code !== 0) expect(meanwhile.error).toMatchObject({ code: 'audit/unexplained-erasure' });
      else expect(['0', '1']).toContain(String(last + 1 - (meanwhile.replay?.erased ?? -1)));
      await publish();
      expect(holds(payload)).toEqual([]);
      expect(await audit(['replay'])).toMatchObject({ code: 0, replay: { erased: last + 1, entries: await size() } });
      if (survived) break;
    }
  });

  /** Publishes with a store that stops answering at call `last`. */
  async function dying(last: number): Promise<boolean> {
    const real = registry.app.get(TileStore);
    let at = 0;
    const calls = ['create', 'replace', 'remove', 'removeFolder'] as const;
    const originals = Object.fromEntries(calls.map((name) => [name, real[name].bind(real)]));
    for (const name of calls) {
      Object.assign(real, {
        [name]: (...args: unknown[]) => {
          if (at++ >= last) return Promise.reject(new Error('killed'));
          return (originals[name] as (...all: unknown[]) => Promise<void>)(...args);
        },
      });
    }
    try {
      await publish();
      return true;
    } catch (error) {
      expect((error as Error).message).toBe('killed');
      return false;
    } finally {
      Object.assign(real, originals);
    }
  }
});
