import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'cborg';
import { parseStatement } from '@margo-trust/statement';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkReceipt, leafHash, readKeys } from '../independent.mjs';
import { type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { startService, type Service } from '../service.ts';
import { because } from '../skipped.ts';
import { statementsOf } from '../vendor-statements.ts';
import { bytesAt, pause, register, treeOf, until } from './audit.ts';

const DISK = '400m';
/** What is left of the disk: a few hundred entries' worth. */
const LEFT_BYTES = 300_000;
const WRITERS = 8;
const REFUSALS = 40;

describe.skipIf(!canMount())('a disk that is full under the database', because('root alone can mount one'), () => {
  let disk: string;
  let dataDir: string;
  let postgres: OutsidePostgres;
  let service: Service;
  let draw: () => Uint8Array;
  const acknowledged: { statement: Uint8Array; body: Uint8Array }[] = [];

  beforeAll(async () => {
    disk = mountDisk();
    dataDir = await mkdtemp(join(tmpdir(), 'margo-full-'));
    postgres = await startOutsidePostgres({ place: disk, settings: ['min_wal_size=32MB', 'max_wal_size=64MB'] });
    service = await startService({ dataDir, env: { DATABASE_URL: postgres.url } });
    draw = await statementsOf(dataDir);
  });
  afterAll(async () => {
    await service?.stop();
    await postgres?.stop();
    if (disk) unmount(disk);
    if (dataDir) await rm(dataDir, { recursive: true, force: true });
  });

  it('costs refusals that say so, loses nothing that was acknowledged, and is over once there is room', async () => {
    const refused: { status: number; code: unknown }[] = [];
    let isOver = false;
    const writers = Array.from({ length: WRITERS }, async () => {
      while (!isOver) {
        const statement = draw();
        const { status, body } = await register(service.url, statement);
        if (status === 201) acknowledged.push({ statement, body });
        else refused.push({ status, code: codeOf(body) });
      }
    });
    await until(async () => acknowledged.length >= 100);
    expect(refused).toEqual([]);

    const ballast = join(disk, 'ballast');
    await fill(disk, ballast);
    await until(async () => refused.length >= REFUSALS);
    isOver = true;
    await Promise.all(writers);
    for (const { status, code } of refused) {
      expect(status).toBe(503);
      expect(code).toMatch(/^(?:database\/interrupted|database\/unavailable)$/);
    }
    expect((await fetch(`${service.url}/livez`)).status).toBe(200);

    await rm(ballast);
    // A server that could not even write its journal ends; its supervisor starts it again.
    await pause(1);
    if (postgres.child.exitCode !== null || postgres.child.signalCode !== null) await postgres.resume();
    const statement = draw();
    await until(async () => {
      const { status, body } = await register(service.url, statement);
      if (status === 201) acknowledged.push({ statement, body });
      return status === 201;
    });
    await until(async () => (await fetch(`${service.url}/readyz`)).status === 200);

    const keys = readKeys(await bytesAt(`${service.url}/.well-known/scitt-keys`));
    const tree = await treeOf(service.url);
    for (const { statement: sent, body } of acknowledged) {
      const { entry, entryId } = parseStatement(sent);
      const place = checkReceipt(body, entry, keys);
      expect(tree.leaf(place.index), `entry ${entryId} at its index`).toEqual(leafHash(entry));
      expect(tree.root(place.size)).toEqual(place.root);
    }
  });
});

/** Writes a file that leaves as good as nothing. The database goes on writing meanwhile, so the disk may be full before that. */
async function fill(disk: string, path: string): Promise<void> {
  const { bavail, bsize } = await statfs(disk);
  const part = Buffer.alloc(1 << 20);
  const file = await open(path, 'w');
  try {
    for (let left = bavail * bsize - LEFT_BYTES; left > 0; left -= part.length) {
      await file.write(part, 0, Math.min(left, part.length));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
}

function mountDisk(): string {
  const directory = mkdtempSync(join(tmpdir(), 'margo-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', directory], { stdio: 'ignore' });
  chmodSync(directory, 0o755);
  return directory;
}

function unmount(directory: string): void {
  execFileSync('umount', ['-l', directory]);
  rmSync(directory, { recursive: true, force: true });
}

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    unmount(mountDisk());
    return true;
  } catch {
    return false; // a container that may not
  }
}

/** The code in Concise Problem Details (RFC 9290): ours rides in the one entry whose key is a URI. */
function codeOf(problem: Uint8Array): unknown {
  const members = decode(problem, { useMaps: true }) as Map<unknown, unknown>;
  const ours = [...members].find(([key]) => typeof key === 'string')?.[1] as Map<string, unknown> | undefined;
  return ours?.get('code');
}
