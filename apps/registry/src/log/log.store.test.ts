import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { EMPTY_ROOT, hashLeaf, rootFromInclusion, verifyConsistency } from '@margo-trust/merkle';
import { parseEntryBundle } from '@margo-trust/tlog';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../../../../test/database.ts';
import { Db } from '../db/db.ts';
import { SystemRandom } from '../random.ts';
import { appendEntries } from './append-entries.ts';
import type { LogIdentity } from './log-identity.ts';
import { LogReader } from './log.reader.ts';
import { SearchReader } from './search/search.reader.ts';
import { ServedLog } from './served-log.ts';
import { LogStore, type NewEntry } from './log.store.ts';

const LOG = 1;
const now = new Date('2026-11-20T12:00:00Z');
const newEntry = (name: string) => {
  const body = encodeUtf8(name);
  return {
    entry: sha256(body),
    body,
    chain: [],
    contentType: 'text/plain',
    issuer: 'https://registry.example',
    subject: name,
    mentions: [`name:${name}`],
  } satisfies NewEntry;
};
const newRawEntry = (name: string): NewEntry => {
  const { body: raw, ...rest } = newEntry(name);
  return { ...rest, raw, mentions: [] };
};

describe('the log in PostgreSQL', () => {
  let store: LogStore;
  let source: DataSource;
  let db: Db;
  let reader: LogReader;
  let search: SearchReader;
  const append = (names: readonly string[]) =>
    db.transaction((tx) => appendEntries(tx, store, LOG, names.map(newEntry), now));

  beforeAll(async () => {
    source = await openTestDatabase();
    db = new Db(source);
    store = new LogStore(new SystemRandom(), db);
    reader = new LogReader(db, { logId: LOG } as LogIdentity);
    search = new SearchReader(db, { logId: LOG } as LogIdentity);
    await db.transaction((tx) => store.create(tx, ServedLog.first('registry.example'), EMPTY_ROOT, now));
  });
  afterAll(() => source.destroy());

  it('proves every entry at every batch, from the batch itself and from tiles, across tile borders', async () => {
    const sizes = [2, 1, 5, 247, 1, 300, 256, 1024, 3, 700];
    const names: string[] = [];
    let before = await reader.loadHead();
    for (const size of sizes) {
      const batch = Array.from({ length: size }, (_, i) => `entry ${names.length + i}`);
      const { head, placed } = await append(batch);
      names.push(...batch);
      expect(head.size).toBe(BigInt(names.length));
      expect(await reader.loadHead()).toMatchObject({ size: head.size, root: Buffer.from(head.root) });
      for (const [i, { index, path }] of placed.entries()) {
        const leaf = hashLeaf(sha256(encodeUtf8(batch[i]!)));
        expect(rootFromInclusion(leaf, index, head.size, path!)).toEqual(Uint8Array.from(head.root));
      }
      if (before.size > 0n) {
        const path = await reader.consistencyPath(before.size, head.size);
        verifyConsistency(before.size, Uint8Array.from(before.root), head.size, Uint8Array.from(head.root), path);
      }
      before = head;
    }
    for (const index of [0, 1, 255, 256, 511, 512, 2047, names.length - 1]) {
      const seal = await reader.loadSeal(BigInt(index));
      const sealed = hashLeaf(sha256(encodeUtf8(names[index]!)));
      const sealedPath = await reader.inclusionPath(BigInt(index), seal.size);
      expect(rootFromInclusion(sealed, BigInt(index), seal.size, sealedPath)).toEqual(seal.root);
      const path = await reader.inclusionPath(BigInt(index), before.size);
      const leaf = hashLeaf(sha256(encodeUtf8(names[index]!)));
      expect(rootFromInclusion(leaf, BigInt(index), before.size, path)).toEqual(Uint8Array.from(before.root));
    }
  });

  it('serves tiles and bundles of any width, and none beyond the log', async () => {
    const { size } = await reader.loadHead();
    const bundle = await reader.findBundle(1n, 256);
    expect(parseEntryBundle(bundle!)[0]).toEqual(sha256(encodeUtf8('entry 256')));
    expect((await reader.findTile({ level: 0, index: 0n, width: 17 }))?.length).toBe(17 * 32);
    const width = Number(size / 256n);
    expect((await reader.findTile({ level: 1, index: 0n, width }))?.length).toBe(width * 32);
    expect(await reader.findTile({ level: 1, index: 0n, width: width + 1 })).toBeUndefined();
    expect(await reader.findTile({ level: 0, index: size, width: 1 })).toBeUndefined();
    expect(await reader.findBundle(size, 1)).toBeUndefined();
    expect(await reader.findTile({ level: 9, index: 0n, width: 1 })).toBeUndefined();
  });

  it('gives the same index to the same statement, in one batch or later', async () => {
    const { size } = await reader.loadHead();
    const { head, placed } = await append(['twice', 'once', 'twice', 'entry 3']);
    expect(placed.map(({ index }) => index)).toEqual([size, size + 1n, size, 3n]);
    expect(head.size).toBe(size + 2n);
    const again = await append(['twice']);
    expect(again.placed).toEqual([{ index: size }]);
    expect(again.head.size).toBe(head.size);
  });

  it('takes contiguous indices from many writers at once', async () => {
    const { size } = await reader.loadHead();
    const batches = Array.from({ length: 12 }, (_, w) => Array.from({ length: 7 }, (_, i) => `writer ${w} entry ${i}`));
    const appended = await Promise.all(batches.map((batch) => append(batch)));
    const indexes = appended.flatMap(({ placed }) => placed.map(({ index }) => Number(index - size)));
    expect(indexes.sort((a, b) => a - b)).toEqual(Array.from({ length: 84 }, (_, i) => i));
    const head = await reader.loadHead();
    for (const index of [size, size + 83n]) {
      const record = await reader.findByIndex(index);
      const path = await reader.inclusionPath(index, head.size);
      expect(rootFromInclusion(hashLeaf(record!.entry), index, head.size, path)).toEqual(Uint8Array.from(head.root));
    }
  });

  it('leaves nothing of a transaction that fails', async () => {
    const before = await reader.loadHead();
    const failing = db.transaction(async (tx) => {
      await appendEntries(tx, store, LOG, [newEntry('never')], now);
      throw new Error('the power went');
    });
    await expect(failing).rejects.toThrow('the power went');
    expect(await reader.loadHead()).toEqual({ ...before, askedAt: expect.any(Number) });
    expect(await reader.findByEntry(newEntry('never').entry)).toBeUndefined();
    expect(await search.search({ term: 'name:never', limit: 1 })).toEqual({ records: [] });
  });

  it('takes nothing once it is frozen, not from writers who waited for that either, and stays so', async () => {
    const other = 7;
    const appendTo = (name: string) => db.transaction((tx) => appendEntries(tx, store, other, [newEntry(name)], now));
    await db.transaction((tx) =>
      store.create(tx, ServedLog.named(other, 'frozen', 'registry.example'), EMPTY_ROOT, now),
    );
    await appendTo('before');
    let waiting: Promise<PromiseSettledResult<unknown>[]> | undefined;
    await db.transaction(async (tx) => {
      await appendEntries(tx, store, other, [newEntry('last')], now);
      await tx.query('UPDATE log_head SET frozen = true WHERE log_id = $1', [other]);
      waiting = Promise.allSettled(['a', 'b', 'c'].map(appendTo)); // each waits for the head
      await new Promise((resolve) => setTimeout(resolve, 200));
    });
    const frozen = { code: 'log/frozen' };
    expect(await waiting).toEqual(Array(3).fill(expect.objectContaining({ reason: expect.objectContaining(frozen) })));
    await expect(appendTo('after')).rejects.toMatchObject(frozen);
    const [row] = await source.query<{ size: string }[]>('SELECT size FROM log_head WHERE log_id = $1', [other]);
    expect(row?.size).toBe('2');
    for (const change of ['frozen = false', 'size = 3']) {
      await expect(source.query(`UPDATE log_head SET ${change} WHERE log_id = ${other}`)).rejects.toThrow(/frozen log/);
    }
  });

  it('says so when it was never opened', async () => {
    const nowhere = new LogReader(db, { logId: 2 } as LogIdentity);
    await expect(nowhere.loadHead()).rejects.toMatchObject({ code: 'log/not-open' });
    await expect(db.transaction((tx) => store.lockHead(tx, 2))).rejects.toMatchObject({ code: 'log/not-open' });
  });

  it('refuses a writer whose epoch was taken over', async () => {
    const zombie = db.transaction(async (tx) => {
      const head = await store.lockHead(tx, LOG);
      const next = store.nextHead(head, { ...head, size: head.size + 1n });
      await store.advanceHead(tx, LOG, { ...head, epoch: head.epoch - 1n }, next);
    });
    await expect(zombie).rejects.toThrow('moved under its writer');
  });

  it('takes the head over from another writer under a higher epoch, and keeps it otherwise', async () => {
    const others = new LogStore(new SystemRandom(), db);
    const { epoch } = (await append(['mine'])).head;
    const { head: theirs } = await db.transaction((tx) => appendEntries(tx, others, LOG, [newEntry('theirs')], now));
    expect(theirs).toMatchObject({ epoch: epoch + 1n, writer: others.writer });
    const { head: theirsAgain } = await db.transaction((tx) =>
      appendEntries(tx, others, LOG, [newEntry('theirs again')], now),
    );
    expect(theirsAgain.epoch).toBe(theirs.epoch);
    expect((await append(['mine again'])).head).toMatchObject({ epoch: epoch + 2n, writer: store.writer });
  });

  it('remembers the root of any size it ever had, and confirms no other', async () => {
    const { head } = await append(['sealed']);
    await append(['sealed later']);
    const locked = await db.transaction((tx) => store.lockHead(tx, LOG, head.size));
    expect(locked.rememberedRoot).toEqual(Buffer.from(head.root));
    const confirm = (size: bigint, root: Uint8Array) =>
      db.transaction((tx) => store.confirmSeal(tx, LOG, { size, root }));
    expect(await confirm(head.size, head.root)).toEqual({ size: locked.size, isHeld: true });
    expect(await confirm(head.size, locked.root)).toMatchObject({ isHeld: false });
    expect(await confirm(head.size + 7n, head.root)).toMatchObject({ isHeld: false });
  });

  it('loses the head when its holder stands still, and says so as something to try again', async () => {
    const stopped = db.transaction(async (tx) => {
      await store.lockHead(tx, LOG);
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      return appendEntries(tx, store, LOG, [newEntry('from a zombie')], now);
    });
    const refused = expect(stopped).rejects.toMatchObject({ code: 'database/interrupted' });
    await append(['from a healthy one']); // waits for the holder, and gets its turn
    await refused;
    expect(await reader.findByEntry(newEntry('from a zombie').entry)).toBeUndefined();
    await append(['the pool has recovered']);
  });

  it.each([
    ['UPDATE log_entry SET subject = $1', ['x']],
    ['DELETE FROM log_entry', []],
    ['TRUNCATE log_tile', []],
    ['DELETE FROM log_seal', []],
    ['UPDATE log_head SET size = size - 1', []],
    ['UPDATE log_head SET epoch = epoch - 1', []],
    ['UPDATE log_head SET root = sha256(root)', []],
    ['UPDATE log_head SET writer = gen_random_uuid()', []],
    ['DELETE FROM log_head', []],
  ])('refuses %s even from a prompt', async (sql, parameters) => {
    await expect(db.query(sql, parameters)).rejects.toThrow(/append-only|only grows/);
  });

  it('hashes and serves leaves of their own bytes among digests, in the batch and across a tile border', async () => {
    const { size } = await reader.loadHead();
    const count = 300;
    const batch: NewEntry[] = Array.from({ length: count }, (_, i) =>
      (i % 3 === 0 ? newRawEntry : newEntry)(`mixed ${i}`),
    );
    const { head, placed } = await db.transaction((tx) => appendEntries(tx, store, LOG, batch, now));
    const later = await append(Array.from({ length: 300 }, (_, i) => `after mixed ${i}`));
    for (const [i, { index, path }] of placed.entries()) {
      const leaf = hashLeaf(batch[i]!.raw ?? batch[i]!.entry);
      expect(rootFromInclusion(leaf, index, head.size, path!)).toEqual(Uint8Array.from(head.root));
      const laterPath = await reader.inclusionPath(index, later.head.size);
      expect(rootFromInclusion(leaf, index, later.head.size, laterPath)).toEqual(Uint8Array.from(later.head.root));
    }
    const first = parseEntryBundle((await reader.findBundle(size / 256n, Number(size % 256n) + 1))!).at(-1);
    expect(first).toEqual(encodeUtf8('mixed 0'));
    expect(await reader.findByEntry(batch[0]!.entry)).toMatchObject({ index: size, raw: batch[0]!.raw! });
    expect(await reader.findStatement(batch[0]!.entry)).toBeUndefined();
    const again = await db.transaction((tx) => appendEntries(tx, store, LOG, batch.slice(0, 1), now));
    expect(again.placed).toEqual([{ index: size }]);
  });

  it.each([
    ['is not what its digest says', { ...newRawEntry('a'), entry: sha256(encodeUtf8('b')) }],
    ['could be taken for a digest', newRawEntry('x'.repeat(32))],
    ['does not fit into a bundle', newRawEntry('x'.repeat(65_536))],
  ])('refuses a leaf that %s', async (_, entry) => {
    const refused = db.transaction((tx) => appendEntries(tx, store, LOG, [entry], now));
    await expect(refused).rejects.toThrow(/log_entry_check|check constraint/);
  });

  it('keeps the statement apart from what the tree needs', async () => {
    const { entry, body } = newEntry('entry 7');
    expect(encodeHex((await reader.findStatement(entry))!.body)).toBe(encodeHex(body));
    expect(await reader.findStatement(sha256(entry))).toBeUndefined();
  });
});
