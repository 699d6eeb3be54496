import { setImmediate as yieldOnce } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { areEqualBytes } from '@margo-trust/bytes';
import {
  describeMapRecord,
  findMapRecord,
  hashKey,
  IndexMap,
  keysOfFacts,
  keysOfRawLeaf,
  keysOfStatement,
  type Addition,
  type IndexKey,
} from '@margo-trust/index-map';
import { hashLeaf, type Hash } from '@margo-trust/merkle';
import { CONTENT, parseStatement } from '@margo-trust/statement';
import { Clock } from '../../clock.ts';
import { Db, type Tx } from '../../db/db.ts';
import { wireTime } from '../../wire-time.ts';
import { AppendRecord } from '../append-record.ts';
import { IndexMapReader, PAGE_ENTRIES } from './index-map.reader.ts';
import { IndexMapStore, type KeyedRow, type MapState, type PageGrowth } from './index-map.store.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogSteps } from '../log-steps.ts';

/** Entries in one step: enough that ways through the tree are shared, few enough for some 100 MB of memory. */
const STEP = 65_536n;
/** Entries read at once. */
const READ = 4096;
/** Unless a step is full, a root is recorded no sooner after the last. */
const REST_MS = 60_000;
/** Entries worked on before others get their turn: a few milliseconds. */
const TURN = 256;
/** The registry's own statements: what they are found by stands in them, and their number is small. */
const MOST_ROUNDS = 1_000;
const OWN = [CONTENT.record, CONTENT.policy, CONTENT.anchors];

interface Keyed {
  readonly index: bigint;
  readonly leaf: Hash;
  /** Of its keys in the map. */
  readonly places: readonly Hash[];
}

/**
 * Keeps the index map beside the log, off the way of registrations, and puts its root on record.
 *
 * Two transactions: the map moves, then the root it moved to is recorded, which alone needs the head of the log. A crash
 * before the first leaves nothing; between them, a map that answers nobody until the next run has recorded its root.
 */
@Injectable()
export class UpdateIndexMap {
  constructor(
    private readonly db: Db,
    private readonly store: IndexMapStore,
    private readonly reader: IndexMapReader,
    private readonly record: AppendRecord,
    private readonly identity: LogIdentity,
    private readonly clock: Clock,
    private readonly steps: LogSteps,
  ) {}

  /** Cheap enough to be asked every second. False before genesis. */
  async isDue(): Promise<boolean> {
    const progress = await this.reader.findProgress();
    if (!progress) return false;
    const { logSize, isFrozen, state } = progress;
    if (isFrozen) return state?.recordIndex !== lastRecordOf(logSize);
    if (!state || (state.recordIndex === undefined && state.size > 0n)) return true;
    const fresh = freshEntries(logSize, state);
    const rested = this.clock.now().getTime() - state.changedAt.getTime() >= REST_MS;
    return fresh >= STEP || (fresh > 0n && (rested || state.size === 0n));
  }

  /** Whether the map would be up to date after a step that takes no time worth mentioning, and is not yet. */
  async isNear(): Promise<boolean> {
    const progress = await this.reader.findProgress();
    if (!progress) return false;
    const { logSize, state } = progress;
    const fresh = state ? freshEntries(logSize, state) : logSize;
    return fresh > 0n && fresh <= BigInt(READ);
  }

  /** One step. Only a root over all that the log held when the step began is recorded: no record is of less than one before. */
  async run(): Promise<void> {
    const progress = await this.reader.findProgress();
    if (!progress) return;
    if (progress.isFrozen) return this.followRecord(lastRecordOf(progress.logSize));
    await this.db.transaction(async (tx) => {
      await this.move(tx, progress.logSize);
      await this.steps.reached('map moved');
    });
    await this.steps.reached('map committed');
    await this.db.transaction(async (tx) => {
      await this.recordRoot(tx, progress.logSize);
      await this.steps.reached('map root recorded');
    });
    await this.steps.reached('map root committed');
  }

  /** Brings the map up to date but for what comes while it runs, so that {@link close} has little to do. */
  async catchUp(): Promise<void> {
    for (let rounds = 0; rounds < MOST_ROUNDS; rounds += 1) {
      const progress = await this.reader.findProgress();
      if (!progress || progress.isFrozen) return;
      if (progress.state && freshEntries(progress.logSize, progress.state) <= BigInt(READ)) return;
      await this.run();
    }
  }

  /**
   * Puts a last root on record, over all that the log holds, in the transaction that freezes it: nothing moves or records a map
   * afterwards. `hold` takes the head and tells its size; the map is held before, as ever.
   */
  async close(tx: Tx, hold: () => Promise<bigint>): Promise<void> {
    await this.store.lockState(tx, this.identity.logId, this.clock.now());
    const size = await hold();
    await this.move(tx, size);
    await this.recordRoot(tx, size);
  }

  /** One step of making the map of a frozen log again, whose tables were brought back from a copy: it ends at the root that the log has on record. */
  private async followRecord(recordIndex: bigint): Promise<void> {
    const { logId } = this.identity;
    await this.db.transaction(async (tx) => {
      const [entry] = recordIndex < 0n ? [] : await this.store.entries(tx, logId, recordIndex, 1, OWN);
      const record = entry?.body && findMapRecord(parseStatement(entry.body).payload);
      if (!record) throw new Error('This log was frozen without a last record of its map.');
      await this.move(tx, record.size);
      const { size, root } = await this.store.lockState(tx, logId, this.clock.now());
      if (size < record.size) return;
      if (size > record.size || !areEqualBytes(root, record.root)) {
        throw new Error('The entries of this frozen log make another map than its last record says.');
      }
      await this.store.noteRecord(tx, logId, recordIndex);
    });
  }

  private async move(tx: Tx, logSize: bigint): Promise<void> {
    const { logId } = this.identity;
    const now = this.clock.now();
    const state = await this.store.lockState(tx, logId, now);
    if (freshEntries(logSize, state) <= 0n) return;

    const end = state.size + STEP < logSize ? state.size + STEP : logSize;
    const entries = await this.readEntries(tx, state.size, end);
    const map = new IndexMap(
      await this.store.loadParts(
        tx,
        logId,
        entries.flatMap(({ places }) => places),
      ),
    );
    const pages = new Pages();
    for (const [done, { index, leaf, places }] of entries.entries()) {
      for (const addition of map.addPlaced(index, leaf, places)) pages.add(addition, index);
      if (done % TURN === 0) await yieldOnce();
    }
    for (const steps = map.settle(); !steps.next().done;) await yieldOnce();
    const root = map.root();
    await this.store.saveParts(tx, logId, map.takeChanges());
    await this.store.growPages(tx, logId, pages.grown());
    await this.store.advance(tx, logId, state, end, root, now);
  }

  private async recordRoot(tx: Tx, logSize: bigint): Promise<void> {
    const { logId, origin } = this.identity;
    const now = this.clock.now();
    const { size, root, recordIndex } = await this.store.lockState(tx, logId, now);
    if (recordIndex !== undefined || size < logSize) return;
    const { record, ...members } = describeMapRecord({ size, root });
    const { index } = await this.record.run(tx, {
      subject: `index-map:${origin}`,
      payload: { record, at: wireTime(now), ...members },
    });
    await this.store.noteRecord(tx, logId, index);
  }

  private async readEntries(tx: Tx, from: bigint, to: bigint): Promise<Keyed[]> {
    const entries: Keyed[] = [];
    const find = placesOf();
    for (let at = from; at < to; at += BigInt(READ)) {
      const count = to - at < BigInt(READ) ? Number(to - at) : READ;
      const rows = await this.store.entries(tx, this.identity.logId, at, count, OWN);
      if (rows.length !== count) throw new Error(`Entries from ${at} on are missing in a committed log.`);
      for (const [done, row] of rows.entries()) {
        entries.push({ index: row.index, leaf: hashLeaf(row.raw ?? row.entry), places: keysOf(row).map(find) });
        if (done % TURN === 0) await yieldOnce();
      }
    }
    return entries;
  }
}

/** Places of keys, remembered but for digests, most of which come once. */
function placesOf(): (key: IndexKey) => Hash {
  const known = new Map<string, Hash>();
  return (key) => {
    if (key.kind === 'digest') return hashKey(key);
    const name = `${key.kind} ${key.value}`;
    const place = known.get(name) ?? hashKey(key);
    known.set(name, place);
    return place;
  };
}

/**
 * What is in the columns of a vendor's statement was read from it by the same functions when it was registered; of the
 * registry's own it was not.
 */
export function keysOf(row: KeyedRow): IndexKey[] {
  if (row.body) return keysOfStatement(row.body);
  if (row.raw) return keysOfRawLeaf(row.raw);
  const { mentions, ...facts } = row;
  return keysOfFacts({ ...facts, digests: mentions });
}

/** Where a frozen log has the last root of its map on record: see {@link UpdateIndexMap.close}. The freeze comes after it. */
function lastRecordOf(logSize: bigint): bigint {
  return logSize - 2n;
}

/** Entries that the map does not have yet, without the record of its own root. */
function freshEntries(logSize: bigint, { size, recordIndex }: MapState): bigint {
  return logSize - size - (recordIndex === undefined ? 0n : 1n);
}

/** Collects what pages gain. A key with one entry has none: its record says which. */
class Pages {
  private readonly growths = new Map<string, PageGrowth & { indexes: bigint[] }>();

  add({ key, position, before, first }: Addition, index: bigint): void {
    if (position === 0n) return;
    if (position === 1n) this.grow(key, 0, key, [first, index]);
    else this.grow(key, Number(position / PAGE_ENTRIES), before, [index]);
  }

  grown(): PageGrowth[] {
    return [...this.growths.values()];
  }

  /** `before` counts for the page's first entry alone, which is the first to come here or was stored before. */
  private grow(key: Hash, page: number, before: Hash, indexes: bigint[]): void {
    const name = `${Buffer.from(key).toString('latin1')}/${page}`;
    const known = this.growths.get(name);
    if (known) known.indexes.push(...indexes);
    else this.growths.set(name, { key, page, before, indexes });
  }
}
