import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseStatement } from '@margo-trust/statement';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, startService, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { checkReceipt, leafHash, readKeys } from '../independent.mjs';
import { bytesAt, pause, register, treeOf, until } from './audit.ts';

const KILLS = 10;
const WRITERS = 16;
const SECONDS_BETWEEN = 0.8;
/** Acknowledged before each kill: a busy machine may need longer for them. */
const LEAST_BETWEEN = 10;

interface Acknowledged {
  readonly entry: Uint8Array;
  readonly entryId: string;
  readonly receipt: Uint8Array;
}

describe('a registry that is killed ten times under load', () => {
  let dataDir: string;
  let port: number;
  let service: Service;
  let draw: () => Uint8Array;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'margo-kill-'));
    port = await freePort();
    service = await startService({ dataDir, port });
    draw = await statementsOf(dataDir);
  });
  afterAll(async () => {
    await service?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('loses nothing that it acknowledged, skips no index and never forks', async () => {
    const acknowledged: Acknowledged[] = [];
    let isOver = false;
    const writers = Array.from({ length: WRITERS }, async () => {
      while (!isOver) {
        const bytes = draw();
        const { entry, entryId } = parseStatement(bytes);
        try {
          const { status, body } = await register(service.url, bytes);
          if (status === 201) acknowledged.push({ entry, entryId, receipt: body });
        } catch {
          await pause(0.05); // killed under us: not acknowledged, so nothing was promised
        }
      }
    });
    for (let kill = 0; kill < KILLS; kill += 1) {
      await pause(SECONDS_BETWEEN);
      const enough = (kill + 1) * LEAST_BETWEEN;
      await until(async () => acknowledged.length >= enough);
      const ended = new Promise((resolve) => service.child.once('close', resolve));
      process.kill(await servingPid(service), 'SIGKILL');
      await ended;
      service = await startService({ dataDir, port });
    }
    await pause(SECONDS_BETWEEN);
    isOver = true;
    await Promise.all(writers);

    const keys = readKeys(await bytesAt(`${service.url}/.well-known/scitt-keys`));
    const receipts = acknowledged.map(({ entry, receipt }) => checkReceipt(receipt, entry, keys));
    const tree = await treeOf(service.url);
    expect(acknowledged.length).toBeGreaterThanOrEqual(KILLS * LEAST_BETWEEN);
    for (const [i, { entry, entryId }] of acknowledged.entries()) {
      const { index, size, root } = receipts[i]!;
      expect(tree.leaf(index), `entry ${entryId} at its index`).toEqual(leafHash(entry));
      expect(tree.root(size), `the tree of size ${size}`).toEqual(root);
    }
    for (const [i, { entry, entryId }] of acknowledged.entries()) {
      if (i % Math.ceil(acknowledged.length / 50) !== 0) continue;
      const again = checkReceipt(await bytesAt(`${service.url}/entries/${entryId}`), entry, keys);
      expect(again, `the receipt of ${entryId}, asked for again`).toEqual(receipts[i]);
    }
  });
});

/** `setpriv` runs the start script in its own place, so the child is the serving process. */
async function servingPid({ child }: Service): Promise<number> {
  if (child.pid === undefined) throw new Error('The service has no process.');
  return child.pid;
}
