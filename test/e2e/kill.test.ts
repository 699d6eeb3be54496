import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseStatement } from '@margo-trust/statement';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, startService, type Service } from '../service.ts';
import { statementsOf } from '../vendor-statements.ts';
import { checkReceipt, leafHash, prefixRoots, readKeys } from './independent.ts';

const KILLS = 10;
const WRITERS = 16;
const SECONDS_BETWEEN = 0.8;

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
          const response = await fetch(`${service.url}/entries`, {
            method: 'POST',
            headers: { 'content-type': 'application/cose' },
            body: bytes,
          });
          const receipt = new Uint8Array(await response.arrayBuffer());
          if (response.status === 201) acknowledged.push({ entry, entryId, receipt });
        } catch {
          await pause(0.05); // killed under us: not acknowledged, so nothing was promised
        }
      }
    });
    for (let kill = 0; kill < KILLS; kill += 1) {
      await pause(SECONDS_BETWEEN);
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
    const leaves = await leavesOf(service.url);
    const roots = prefixRoots(leaves, new Set(receipts.map(({ size }) => size)));
    expect(acknowledged.length).toBeGreaterThan(KILLS * 10);
    for (const [i, { entry, entryId }] of acknowledged.entries()) {
      const { index, size, root } = receipts[i]!;
      expect(leaves[index], `entry ${entryId} at its index`).toEqual(leafHash(entry));
      expect(roots.get(size), `the tree of size ${size}`).toEqual(root);
    }
    for (const [i, { entry, entryId }] of acknowledged.entries()) {
      if (i % Math.ceil(acknowledged.length / 50) !== 0) continue;
      const again = checkReceipt(await bytesAt(`${service.url}/entries/${entryId}`), entry, keys);
      expect(again, `the receipt of ${entryId}, asked for again`).toEqual(receipts[i]);
    }
  });
});

/** Every leaf hash of the published log, by its entry bundles, checked against the checkpoint's root. */
async function leavesOf(url: string): Promise<Buffer[]> {
  const [, size = '0', root = ''] = Buffer.from(await bytesAt(`${url}/log/checkpoint`))
    .toString()
    .split('\n');
  const count = Number(size);
  const leaves: Buffer[] = [];
  for (let first = 0; first < count; first += 256) {
    const width = Math.min(256, count - first);
    const name = String(first / 256).padStart(3, '0');
    const bundle = Buffer.from(await bytesAt(`${url}/log/tile/entries/${name}${width === 256 ? '' : `.p/${width}`}`));
    for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at)) {
      leaves.push(leafHash(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at))));
    }
  }
  expect(leaves.length).toBe(count);
  expect(
    prefixRoots(leaves, new Set([count]))
      .get(count)
      ?.toString('base64'),
  ).toBe(root);
  expect(new Set(leaves.map((leaf) => createHash('sha1').update(leaf).digest('hex'))).size).toBe(count);
  return leaves;
}

/** `setpriv` runs the start script in its own place, so the child is the serving process. */
async function servingPid({ child }: Service): Promise<number> {
  if (child.pid === undefined) throw new Error('The service has no process.');
  return child.pid;
}

async function bytesAt(url: string): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}.`);
  return new Uint8Array(await response.arrayBuffer());
}

function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
