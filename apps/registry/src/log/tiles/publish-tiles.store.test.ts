import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { EMPTY_ROOT } from '@margo-trust/merkle';
import { encodeVerifierKey } from '@margo-trust/tlog';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../../../../../test/database.ts';
import { readTileLog } from '../../../../../test/tile-reader.ts';
import { FixedClock } from '../../clock.ts';
import type { Config } from '../../config.ts';
import { Db } from '../../db/db.ts';
import { createDevelopmentKeys } from '../../keys/development-keys.ts';
import { KeyRing } from '../../keys/key-ring.ts';
import { SystemRandom } from '../../random.ts';
import { appendEntries } from '../append-entries.ts';
import { CheckedTiles } from './checked-tiles.ts';
import { type DiskStep, DirectoryTileStore } from './directory-tile-store.ts';
import { HeadGuard } from '../head-guard.ts';
import { HeadSigner } from '../head-signer.ts';
import { HighWaterFile } from '../rollback/high-water-file.ts';

import { LogKeyStore } from '../keys/log-key.store.ts';
import { LogKeys } from '../keys/log-keys.ts';
import { ed25519Raw, LogIdentity } from '../log-identity.ts';
import { LogsReader } from '../governance/logs.reader.ts';
import { LogLife } from '../log-life.ts';
import { ServedLog } from '../served-log.ts';
import { LogReader } from '../log.reader.ts';
import { LogStore, type NewEntry } from '../log.store.ts';
import { EvidenceReader } from './evidence.reader.ts';
import { ExportEvidence } from './export-evidence.ts';
import { WriteEvidence } from './write-evidence.ts';
import { PrunePartialTiles } from './prune-partial-tiles.ts';
import { PublishedCheckpoint } from '../witnessing/published-checkpoint.ts';
import { CheckpointStore } from '../witnessing/checkpoint.store.ts';
import { WitnessQuorum } from '../witnessing/witness-quorum.ts';
import { PublishTiles } from './publish-tiles.ts';
import { RollbackLatch } from '../rollback/rollback-latch.ts';
import { IssueReceipt } from '../issue-receipt.ts';
import { StoredCheckpoint } from '../witnessing/stored-checkpoint.ts';
import { TileExportStore } from './tile-export.store.ts';
import type { TileStore } from './tile-store.ts';
import { WithholdingReader } from '../withholding/withholding.reader.ts';

const LOG = 1;
const log = ServedLog.first('registry.example');
const now = new Date('2026-11-20T12:00:00Z');

describe('tiles on their way out', () => {
  // A file system in memory where there is one: a thousand flushes need not reach a disk to be tested.
  const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'margo-publish-'));
  const clock = new FixedClock(now);
  const keys = new KeyRing(join(scratch, 'keys'));
  let identity: LogIdentity;
  let key: string;
  let source: DataSource;
  let db: Db;
  let exports: TileExportStore;
  let directory: string;

  beforeAll(() => {
    createDevelopmentKeys(join(scratch, 'keys'));
    identity = new LogIdentity({ domain: 'registry.example' } as Config, keys, log);
    key = encodeVerifierKey(identity.origin, ed25519Raw(identity.checkpoint.spki));
  });
  afterAll(() => rmSync(scratch, { recursive: true }));
  beforeEach(async () => {
    clock.moveTo(now);
    directory = mkdtempSync(join(scratch, 'store-'));
    source = await openTestDatabase();
    db = new Db(source);
    exports = new TileExportStore(db, identity);
    await db.transaction((tx) => newLogStore().create(tx, log, EMPTY_ROOT, now));
  });
  afterEach(() => source.destroy());

  let count = 0;
  const append = (entries: number) =>
    db.transaction((tx) =>
      appendEntries(
        tx,
        newLogStore(),
        LOG,
        Array.from({ length: entries }, () => newEntry(count++)),
        now,
      ),
    );

  const newLogStore = () => new LogStore(new SystemRandom(), db);

  const keysOf = (log: LogIdentity) => new LogKeys(new LogKeyStore(db), log);

  function signerOf(who: LogIdentity): HeadSigner {
    const reader = new LogReader(db, identity);
    const latch = new RollbackLatch(
      reader,
      new HighWaterFile({ dataDirectory: mkdtempSync(join(scratch, 'seen-')) } as Config, identity, log),
    );
    return new HeadSigner(who, new HeadGuard(db, newLogStore(), identity, latch), keysOf(who));
  }

  /** As a process would have it that has just started. */
  function start(store: TileStore | undefined) {
    const reader = new LogReader(db, identity);
    const unwitnessed = { witnessing: undefined } as Config;
    const quorum = new WitnessQuorum(unwitnessed, identity);
    const checkpoints = new CheckpointStore(db);
    const life = new LogLife(new LogsReader(db, new LogKeyStore(db)), log);
    const signer = signerOf(identity);
    const published = new PublishedCheckpoint(
      ...([reader, signer, checkpoints, quorum, identity, keysOf(identity), unwitnessed, db, clock, life] as const),
    );
    const receipts = new IssueReceipt(reader, signer, published, new WithholdingReader(db), life);
    const stored = new StoredCheckpoint(store, identity, keysOf(identity));
    const tiles = new CheckedTiles(reader);
    const rows = new EvidenceReader(db, identity);
    const evidence = new ExportEvidence(new WriteEvidence(rows, identity), rows, exports, identity, db);
    return new PublishTiles(store, published, receipts, stored, tiles, evidence, identity, exports, db, clock, life);
  }
  const publish = () => start(new DirectoryTileStore(directory)).run();
  const read = (path: string) => {
    const file = join(directory, path);
    return Promise.resolve(existsSync(file) ? readFileSync(file) : undefined);
  };
  const outside = async () => (await readTileLog(read, key)).size;

  it('are all that a reader of the checkpoint needs, at every size', async () => {
    let size = 0;
    for (const entries of [2, 1, 252, 1, 1, 300, 211, 1_024]) {
      await append(entries);
      size += entries;
      await publish();
      expect(await outside()).toBe(size);
    }
    const description = JSON.parse(String(await read('log.json'))) as Record<string, string>;
    expect(description).toMatchObject({ origin: 'log.registry.example', checkpointKey: key });
  });

  it('lie where C2SP tlog-tiles says', async () => {
    await append(600);
    await publish();
    const names = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
    expect(names.sort()).toEqual([
      'checkpoint',
      'checkpoint.cose',
      'evidence/000',
      'evidence/001',
      'evidence/002.p/88',
      'log.json',
      'tile/0/000',
      'tile/0/001',
      'tile/0/002.p/88',
      'tile/1/000.p/2',
      'tile/entries/000',
      'tile/entries/001',
      'tile/entries/002.p/88',
    ]);
  });

  it('are due when the checkpoint changed, and once a minute', async () => {
    await append(2);
    const process = start(new DirectoryTileStore(directory));
    expect(await process.isDue()).toBe(true);
    await process.run();
    expect(await process.isDue()).toBe(false);
    await append(1);
    expect(await process.isDue()).toBe(true);
    await process.run();
    expect([await process.isDue(), process.size]).toEqual([false, 3n]);
    clock.moveTo(new Date(now.getTime() + 60_000));
    expect(await process.isDue()).toBe(true);
  });

  it('go nowhere without a store', async () => {
    await append(2);
    const process = start(undefined);
    expect(await process.isDue()).toBe(false);
    await process.run();
    expect(readdirSync(directory)).toEqual([]);
  });

  it('are put back when the store was emptied or taken back to an older state', async () => {
    await append(300);
    await publish();
    const old = join(scratch, 'old');
    execFileSync('cp', ['-r', directory, old]);
    await append(600);
    await publish();

    rmSync(directory, { recursive: true });
    await publish();
    expect(await outside()).toBe(900);

    rmSync(directory, { recursive: true });
    execFileSync('mv', [old, directory]);
    await publish();
    expect(await outside()).toBe(900);
  });

  it('replace a checkpoint that an older process put back', async () => {
    await append(2);
    await publish();
    const older = await read('checkpoint');
    await append(3);
    await publish();
    writeFileSync(join(directory, 'checkpoint'), older!);
    await publish();
    expect(await outside()).toBe(5);
  });

  describe('are kept from a store that', () => {
    const refused = async (message: RegExp) => {
      const before = await read('checkpoint');
      const process = start(new DirectoryTileStore(directory));
      await expect(process.run()).rejects.toThrow(message);
      expect(process.failure).toMatch(message);
      expect(await read('checkpoint')).toEqual(before);
    };

    it('knows a larger tree, because the database is an old backup', async () => {
      await append(5);
      await publish();
      await source.destroy();
      source = await openTestDatabase();
      db = new Db(source);
      exports = new TileExportStore(db, identity);
      await db.transaction((tx) => newLogStore().create(tx, log, EMPTY_ROOT, now));
      await append(2);
      await refused(/knows 5 entries and the database 2/);
      await append(3);
      await refused(/5 entries of another tree/);
      await append(9);
      await refused(/5 entries of another tree/);
    });

    it('holds the checkpoint of another log', async () => {
      await append(5);
      await publish();
      const other = new LogIdentity(
        { domain: 'elsewhere.example' } as Config,
        keys,
        ServedLog.first('elsewhere.example'),
      );
      const head = await new LogReader(db, identity).loadHead();
      writeFileSync(join(directory, 'checkpoint'), await signerOf(other).signCheckpoint(head));
      await refused(/that this log did not sign/);
      writeFileSync(join(directory, 'checkpoint'), 'nothing');
      await refused(/that this log did not sign/);
    });

    it('holds other bytes where a tile belongs', async () => {
      await append(255);
      await publish();
      mkdirSync(join(directory, 'tile/0'), { recursive: true });
      writeFileSync(join(directory, 'tile/0/000'), 'other');
      await append(2);
      await refused(/tile\/0\/000 is there with other bytes/);
      expect(String(await read('tile/0/000'))).toBe('other');
    });
  });

  it.each([
    [
      'an entry',
      'log_entry',
      `UPDATE log_entry SET entry = set_byte(entry, 3, get_byte(entry, 3) # 1) WHERE index = 7`,
    ],
    [
      'a leaf tile',
      'log_tile',
      `UPDATE log_tile SET hashes = set_byte(hashes, 99, get_byte(hashes, 99) # 1) WHERE index = 1`,
    ],
    [
      'the root over a tile',
      'log_tile',
      `UPDATE log_tile SET root = set_byte(root, 9, get_byte(root, 9) # 64) WHERE index = 2`,
    ],
  ])('do not go out when a bit flipped in %s', async (_what, table, flip) => {
    await append(2);
    await publish();
    await append(1_000);
    await source.query(`ALTER TABLE ${table} DISABLE TRIGGER ALL`);
    await source.query(flip);
    await expect(publish()).rejects.toThrow(
      /do not lead to the tree root|does not belong to the committed tree|is not what was logged/,
    );
    expect(await outside()).toBe(2);
  });

  it('leave the old checkpoint in place while the disk is full, and go on afterwards', async () => {
    const isRoot = process.getuid?.() === 0;
    if (isRoot) execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=192k', 'tmpfs', directory]);
    let budget = 20;
    const disk = (step: DiskStep) => {
      if (!isRoot && step === 'write' && --budget < 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    };
    try {
      await append(200);
      const running = start(new DirectoryTileStore(directory, disk));
      await running.run();
      await append(9_000);
      await expect(running.run()).rejects.toThrow('ENOSPC');
      expect(running.failure).toMatch('ENOSPC');
      expect(await outside()).toBe(200);
      await append(1); // registration does not notice

      if (isRoot) execFileSync('mount', ['-o', 'remount,size=8m', directory]);
      budget = Infinity;
      do {
        await running.run(); // three seconds of work at a time
        expect(running.failure).toBeUndefined();
      } while (await running.isDue());
      expect(await outside()).toBe(9_201);
    } finally {
      if (isRoot) execFileSync('umount', ['-l', directory]);
    }
  });

  it('are whole whenever the process dies, once and again at any two steps', { timeout: 300_000 }, async () => {
    await append(250);
    await publish();
    const old = `${directory}-old`;
    execFileSync('cp', ['-r', directory, old]);
    await append(20);

    /** A disk that stops answering at step `last`: nothing is done after it, not even tidying up. */
    const dyingAt = (last: number) => {
      let at = 0;
      return new DirectoryTileStore(directory, () => {
        if (at++ >= last) throw new Error('killed');
      });
    };
    const survives = async (last: number): Promise<boolean> => {
      const outcome = await start(dyingAt(last))
        .run()
        .then(() => true)
        .catch((error: Error) => {
          expect(error.message).toBe('killed');
          return false;
        });
      expect([250, 270]).toContain(await outside());
      return outcome;
    };
    const begin = async () => {
      rmSync(directory, { recursive: true });
      execFileSync('cp', ['-r', old, directory]);
      await source.query('ALTER TABLE tile_export DISABLE TRIGGER ALL');
      await source.query('UPDATE tile_export SET covered = 0, evidence = 0, size = 250');
    };

    let pairs = 0;
    // Every single step, and every thirty-second pair of them: the offset moves along, so that each step is the second one as well.
    for (let first = 0; ; first += 1) {
      await begin();
      if (await survives(first)) {
        expect(first).toBeGreaterThan(20); // there was something to die at
        break;
      }
      for (let second = first % 32; ; second += 32) {
        if (second >= 32) await begin().then(() => survives(first));
        pairs += 1;
        if (await survives(second)) break;
        await publish();
        expect(await outside()).toBe(270);
      }
    }
    expect(pairs).toBeGreaterThan(50);
  });

  it('that are partial go ten minutes after the full one is there, and not before', async () => {
    const store = new DirectoryTileStore(directory);
    const prune = new PrunePartialTiles(store, exports, db, clock);
    const later = (minutes: number) => clock.moveTo(new Date(clock.now().getTime() + minutes * 60_000));
    const partial = () =>
      ['tile/0/000.p/250', 'tile/entries/000.p/250', 'tile/0/001.p/4'].filter((path) =>
        existsSync(join(directory, path)),
      );

    await append(250);
    await publish();
    await prune.run();
    await append(10);
    await publish();
    expect(partial()).toHaveLength(3);
    later(10);
    expect(await prune.isDue()).toBe(true);
    await prune.run(); // 260 is noted
    expect(partial()).toHaveLength(3);
    expect(await prune.isDue()).toBe(false);
    later(10);
    await prune.run();
    expect(partial()).toEqual(['tile/0/001.p/4']);
    expect(await outside()).toBe(260);

    rmSync(join(directory, 'tile/0/001.p'), { recursive: true });
    await append(252);
    await publish();
    rmSync(join(directory, 'tile/0/001'));
    later(10);
    await prune.run();
    later(10);
    await expect(prune.run()).rejects.toThrow(/tile\/0\/001 is missing/);
  });
});

function newEntry(number: number): NewEntry {
  const body = encodeUtf8(`entry ${number}`);
  return {
    entry: sha256(body),
    body,
    chain: [],
    contentType: 'text/plain',
    issuer: 'https://registry.example',
    subject: `entry ${number}`,
    mentions: [],
  };
}
