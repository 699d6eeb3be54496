import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { encodeBase64 } from '@margo-trust/bytes';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { Config } from '../../config.ts';
import { HeadSigner } from '../head-signer.ts';
import { HighWaterFile } from './high-water-file.ts';
import type { SeenHead } from './high-water.ts';
import { LogKeys } from '../keys/log-keys.ts';
import { LogIdentity } from '../log-identity.ts';
import { ServedLog } from '../served-log.ts';
import { LogReader } from '../log.reader.ts';
import { PublishedCheckpoint } from '../witnessing/published-checkpoint.ts';
import { RollbackLatch } from './rollback-latch.ts';
import { TrustRootMirror } from './trust-root-mirror.ts';

let registry: TestRegistry;
let reader: LogReader;

beforeAll(async () => {
  registry = await startTestRegistry();
  reader = registry.app.get(LogReader);
});
afterAll(() => registry.close());

const NOBODY = { name: 'nobody', load: () => Promise.resolve(undefined) } as unknown as HighWaterFile;

/** Knows what it is told. */
class Witness {
  readonly name = 'a witness';
  seen: SeenHead | undefined;
  isReachable = true;

  load(): Promise<SeenHead | undefined> {
    return this.isReachable ? Promise.resolve(this.seen) : Promise.reject(new Error('gone'));
  }
}

describe('the latch against rollback', () => {
  let latch: RollbackLatch;
  let witness: Witness;

  beforeEach(() => {
    latch = new RollbackLatch(reader, NOBODY);
    witness = new Witness();
    latch.add(witness);
  });

  it('stays open for heads that the log leads on from, of any size', async () => {
    for (const index of [0n, 1n, 2n]) {
      witness.seen = await reader.loadSeal(index);
      await latch.check();
      expect(latch.complaint()).toBeUndefined();
    }
    witness.seen = await reader.loadHead();
    await latch.check();
    expect(() => latch.refuseWrites()).not.toThrow();
  });

  it('shuts for a head that is larger than the log, and signs none beyond what was there', async () => {
    const { size } = await reader.loadHead();
    witness.seen = { size: size + 1n };
    await latch.check();
    expect(() => latch.refuseWrites()).toThrow(expect.objectContaining({ code: 'log/behind' }));
    expect(latch.complaint()).toContain(`${size} entries, and a witness has seen ${size + 1n}`);
    expect(() => latch.refuseSigning(size)).not.toThrow();
    expect(() => latch.refuseSigning(size + 1n)).toThrow(expect.objectContaining({ code: 'log/behind' }));
  });

  it.each([0n, 1n])('shuts for another root at a size that it has, %d below its own', async (below) => {
    const { size } = await reader.loadHead();
    witness.seen = { size: size - below, root: randomBytes(32) };
    await latch.check();
    expect(latch.complaint()).toContain('not the one that a witness has seen');
    expect(() => latch.refuseSigning(1n)).toThrow(expect.objectContaining({ code: 'log/behind' }));
  });

  it('goes by what was seen last when nobody can be asked, and opens when the log has caught up', async () => {
    const head = await reader.loadHead();
    witness.seen = { size: head.size + 1n };
    await latch.check();
    witness.isReachable = false;
    await latch.check();
    expect(latch.complaint()).toBeDefined();
    await registry.app.get(PublishedCheckpoint).load(); // reading moves nothing
    const moved = new RollbackLatch(
      { ...reader, findHead: () => Promise.resolve({ ...head, size: head.size + 1n }) } as unknown as LogReader,
      NOBODY,
    );
    moved.add({ name: 'a witness', load: () => Promise.resolve({ size: head.size + 1n }) });
    await moved.check();
    expect(moved.complaint()).toBeUndefined();
  });

  it('does not call lost what this process signs while it looks', async () => {
    const { size } = await reader.loadHead();
    const findHead = async () => {
      const head = await reader.findHead();
      busy.noteSigned({ size: size + 1n, root: randomBytes(32) });
      return head;
    };
    const file = { ...NOBODY, note: () => undefined } as unknown as HighWaterFile;
    const busy = new RollbackLatch(Object.assign(Object.create(reader), { findHead }) as LogReader, file);
    await busy.check();
    expect(busy.complaint()).toBeUndefined();
    await busy.check();
    expect(busy.complaint()).toContain(`${size} entries, and this process has seen ${size + 1n}`);
  });

  it('holds a locked head against what this process has signed', async () => {
    const head = await reader.loadHead();
    const signed = registry.app.get(RollbackLatch).newestSigned!;
    expect(() => latch.refuseRegressed({ ...head, rememberedRoot: signed.root }, signed)).not.toThrow();
    const behind = expect.objectContaining({ code: 'log/behind' });
    const older = { ...head, size: signed.size - 1n };
    expect(() => latch.refuseRegressed(older, signed)).toThrow(behind);
    expect(() => latch.refuseSigning(older.size)).not.toThrow();
    expect(() => latch.refuseRegressed({ ...head, rememberedRoot: randomBytes(32) }, signed)).toThrow(behind);
    expect(() => latch.refuseSigning(1n)).toThrow(behind);
  });
});

describe('the signer of heads', () => {
  it('asks the database again for a head that it heard of too long ago, and does not sign one that is gone', async () => {
    const signer = registry.app.get(HeadSigner);
    const head = await reader.loadHead();
    const gone = { size: head.size, root: randomBytes(32), committedAt: head.committedAt };
    for (const askedAt of [performance.now() - 2_001, undefined]) {
      const stale = { ...gone, ...(askedAt !== undefined && { askedAt }) };
      await expect(signer.signForReceipts(stale)).rejects.toMatchObject({ code: 'log/not-committed' });
      await expect(signer.signCheckpoint(stale)).rejects.toMatchObject({ code: 'log/not-committed' });
    }
    const ahead = { ...gone, size: head.size + 1n, askedAt: performance.now() };
    await expect(signer.signForReceipts(ahead)).rejects.toMatchObject({ code: 'log/not-committed' });
  });
});

describe('the file of the newest head', () => {
  it('has it within a second or at the end, by key, and outlives what is not JSON', async () => {
    const [config, identity] = [registry.app.get(Config), registry.app.get(LogIdentity)];
    const path = join(config.dataDirectory, 'high-water.json');
    const { size, root } = await reader.loadHead();
    await registry.app.get(PublishedCheckpoint).load();
    await registry.app.get(HighWaterFile).onApplicationShutdown();
    const heads = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    expect(Object.keys(heads)).toEqual([expect.stringMatching(/^log\.registry\.localhost\+[0-9a-f]{8}\+/)]);
    expect(Object.values(heads)).toEqual([{ size: size.toString(), root: encodeBase64(root) }]);

    const again = new HighWaterFile(config, identity, registry.app.get(ServedLog));
    expect(await again.load()).toEqual({ size, root: Uint8Array.from(root) });
    again.note({ size: size - 1n, root });
    await again.onApplicationShutdown();
    expect(await again.load()).toEqual({ size, root: Uint8Array.from(root) });
  });
});

describe("the trust root's mirror", () => {
  it('shows the checkpoint that devices are given', async () => {
    const { url, app } = registry;
    const mirrorOf = (trustRootMirrorUrl: string | undefined) =>
      new TrustRootMirror({ ...app.get(Config), trustRootMirrorUrl }, app.get(LogIdentity), app.get(LogKeys));
    const seen = await mirrorOf(`${url}/tuf`).load();
    expect(seen!.size).toBeGreaterThan(1n);
    expect((await reader.loadSeal(seen!.size - 1n)).root).toEqual(seen!.root);
    expect(await mirrorOf(undefined).load()).toBeUndefined();

    const other = await startTestRegistry();
    await expect(mirrorOf(`${other.url}/tuf`).load()).rejects.toMatchObject({ code: 'tlog/unknown-signer' });
    await other.close();
    const empty = await listen();
    await expect(mirrorOf(`http://127.0.0.1:${(empty.address() as AddressInfo).port}`).load()).rejects.toThrow('404');
    empty.close();
  });
});

function listen(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer((_request, response) => response.writeHead(404).end());
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
