/**
 * Checkers in other languages, on libraries that are not ours: Go's own transparency log packages read our tiles, and a
 * Python program on cbor2 and cryptography verifies our receipts. Both must find the same tree of a hundred thousand entries.
 */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerMany, statementsOf } from '../vendor-statements.ts';
import { fetchBytes } from './demo.ts';
import { expectRefused } from './expect.ts';
import { client, must, repository, run, startService, temporaryDirectory, type Service } from './harness.ts';

const ENTRIES = 100_000;
const RECEIPTS = 2_000;

let service: Service;
let scratch: string;
let draw: () => Uint8Array;
let verifierKey: string;

beforeAll(async () => {
  scratch = await temporaryDirectory();
  service = await startService();
  draw = await statementsOf(service.dataDir);
  const description = (await (await fetch(`${service.address}/log/log.json`)).json()) as { checkpointKey: string };
  verifierKey = description.checkpointKey;
});

afterAll(async () => {
  await service?.stop();
  await rm(scratch, { recursive: true, force: true });
});

describe('a log of a hundred thousand entries', () => {
  it('is the same tree to Go and to Python, and every receipt tried holds', { timeout: 600_000 }, async () => {
    const older = join(scratch, 'older');
    await writeFile(older, await fetchBytes(`${service.address}/log/checkpoint`));
    await registerMany(service.address, draw, ENTRIES);

    const go = await goChecker(older);
    const python = await must(client('py-checker'), [
      join(repository, 'test/interop/py-checker/check.py'),
      service.address,
      String(go.size),
      String(RECEIPTS),
    ]);
    const { size, root, receipts } = JSON.parse(python.stdout) as { size: number; root: string; receipts: number };
    expect({ size, root }).toEqual({ size: go.size, root: go.root });
    expect(go).toMatchObject({ origin: verifierKey.split('+')[0], proofs: expect.any(Number) });
    expect(go.size).toBeGreaterThan(ENTRIES);
    expect(go.tiles).toBeGreaterThanOrEqual(Math.floor(ENTRIES / 256));
    expect(receipts).toBeGreaterThanOrEqual(RECEIPTS);
  });

  it('is refused by Go under another key', async () => {
    const stranger = verifierKey.replace(/.{4}$/, 'AAA=');
    expectRefused(await run(client('go-checker'), [`${service.address}/log`, stranger]), /invalid|no verifiable/);
  });

  it('is refused by Go when its older checkpoint was of another tree', async () => {
    const forged = join(scratch, 'forged');
    const [origin = '', size = '', root = '', ...rest] = (await fetchBytes(`${service.address}/log/checkpoint`))
      .toString()
      .split('\n');
    await writeFile(
      forged,
      [origin, size, root.replace(/^./, (first) => (first === 'A' ? 'B' : 'A')), ...rest].join('\n'),
    );
    expectRefused(
      await run(client('go-checker'), [`${service.address}/log`, verifierKey, forged]),
      /invalid signature/,
    );
  });
});

async function goChecker(older: string): Promise<{ size: number; root: string; tiles: number; proofs: number }> {
  const { stdout } = await must(client('go-checker'), [`${service.address}/log`, verifierKey, older]);
  return JSON.parse(stdout) as { size: number; root: string; tiles: number; proofs: number };
}
