import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeUtf8 } from '@margo-trust/bytes';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type DiskStep, DirectoryTileStore } from './directory-tile-store.ts';
import { DurabilityLost, TileConflict } from './tile-store.ts';

describe('the directory of tiles', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'margo-tiles-'));
  afterAll(() => rmSync(scratch, { recursive: true }));
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(scratch, 'store-'));
  });

  const file = (path: string, text: string) => ({ path, bytes: encodeUtf8(text) });
  const content = (path: string) => readFileSync(join(directory, path), 'utf8');
  const staged = () => readdirSync(join(directory, '.staging'));

  it('passes its own test, and leaves nothing of it', async () => {
    await new DirectoryTileStore(directory).prove();
    expect(staged()).toEqual([]);
  });

  it('makes a file only when its bytes are on disk, and its name durable before it returns', async () => {
    const steps: string[] = [];
    const store = new DirectoryTileStore(directory, (step, path) =>
      steps.push(`${step} ${path.includes('.staging') ? '' : path}`.trim()),
    );
    await store.create([file('tile/0/000', 'a')]);
    expect(steps).toEqual([
      'make directory .',
      'make directory tile',
      'sync directory .',
      'make directory tile/0',
      'sync directory tile',
      'make directory',
      'sync directory .',
      'write',
      'sync file',
      'link tile/0/000',
      'remove temporary file',
      'sync directory tile/0',
    ]);
  });

  it('keeps what is there, and refuses other bytes under its name', async () => {
    const store = new DirectoryTileStore(directory);
    await store.create([file('tile/0/000', 'a'), file('tile/0/001', 'b')]);
    await store.create([file('tile/0/000', 'a')]);
    await expect(store.create([file('tile/0/002', 'c'), file('tile/0/001', 'x')])).rejects.toThrow(TileConflict);
    expect(['tile/0/000', 'tile/0/001', 'tile/0/002'].map(content)).toEqual(['a', 'b', 'c']);
    expect(staged()).toEqual([]);
  });

  it('writes anew what it finds, since a flush that failed may have left it in the page cache only', async () => {
    const store = new DirectoryTileStore(directory);
    await store.create([file('tile/0/000', 'a')]);
    const { ino } = statSync(join(directory, 'tile/0/000'));
    await store.create([file('tile/0/000', 'a')]);
    expect(statSync(join(directory, 'tile/0/000')).ino).not.toBe(ino);
  });

  it('lets one of many writers win, and the others see it', async () => {
    const stores = Array.from({ length: 8 }, () => new DirectoryTileStore(directory));
    const outcomes = await Promise.allSettled(stores.map((store, i) => store.create([file('tile/0/000', `${i % 2}`)])));
    const won = content('tile/0/000');
    for (const [i, { status }] of outcomes.entries()) {
      expect(status).toBe(`${i % 2}` === won ? 'fulfilled' : 'rejected');
    }
  });

  it('replaces a file only if it is the one that was read', async () => {
    const store = new DirectoryTileStore(directory);
    await store.replace(file('checkpoint', '1'), undefined);
    const first = await store.read('checkpoint');
    await store.replace(file('checkpoint', '2'), first);
    await expect(store.replace(file('checkpoint', '3'), first)).rejects.toThrow(TileConflict);
    await expect(store.replace(file('checkpoint', '3'), undefined)).rejects.toThrow(TileConflict);
    expect(content('checkpoint')).toBe('2');
    expect(await store.read('log.json')).toBeUndefined();
  });

  it.each<DiskStep>(['sync file', 'sync directory'])(
    'says that nothing may be believed when "%s" fails',
    async (failing) => {
      const store = new DirectoryTileStore(directory, (step) => {
        if (step === failing) throw Object.assign(new Error('EIO'), { code: 'EIO' });
      });
      await expect(store.create([file('tile/0/000', 'a')])).rejects.toThrow(DurabilityLost);
    },
  );

  it('can go on when the disk was full', async () => {
    let isFull = true;
    const store = new DirectoryTileStore(directory, (step) => {
      if (step === 'write' && isFull) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    });
    await expect(store.create([file('tile/0/000', 'a')])).rejects.toThrow('ENOSPC');
    isFull = false;
    await store.create([file('tile/0/000', 'a')]);
    expect(content('tile/0/000')).toBe('a');
  });

  it('goes on when somebody has removed its directories', async () => {
    const store = new DirectoryTileStore(directory);
    await store.create([file('tile/0/000', 'a')]);
    rmSync(join(directory, 'tile'), { recursive: true });
    await expect(store.create([file('tile/0/001', 'b')])).rejects.toThrow('ENOENT');
    await store.create([file('tile/0/001', 'b')]);
    expect(content('tile/0/001')).toBe('b');
  });

  it('removes a folder of partial tiles, and can make it again', async () => {
    const store = new DirectoryTileStore(directory);
    await store.create([file('tile/0/000.p/1', 'a'), file('tile/0/000.p/2', 'b'), file('tile/0/000', 'c')]);
    await store.removeFolder('tile/0/000.p');
    await store.removeFolder('tile/0/000.p');
    expect(readdirSync(join(directory, 'tile/0'))).toEqual(['000']);
    await store.create([file('tile/0/000.p/3', 'd')]);
    expect(content('tile/0/000.p/3')).toBe('d');
  });

  it('removes what a crash left among the temporary files, once it is an hour old', async () => {
    await new DirectoryTileStore(directory).prove();
    for (const name of ['old', 'new']) writeFileSync(join(directory, '.staging', name), '');
    const past = Date.now() / 1_000 - 7_200;
    utimesSync(join(directory, '.staging/old'), past, past);
    await new DirectoryTileStore(directory).prove();
    expect(staged()).toEqual(['new']);
  });
});
