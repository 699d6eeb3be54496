import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { EMPTY_ROOT } from '@margo-trust/merkle';
import fc from 'fast-check';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestDatabase } from '../../../../../test/database.ts';
import { Db } from '../../db/db.ts';
import { appendEntries } from '../append-entries.ts';
import { IndexForSearch } from './index-for-search.ts';
import type { LogIdentity } from '../log-identity.ts';
import { ServedLog } from '../served-log.ts';
import { LogStore, type NewEntry } from '../log.store.ts';
import { BLOCK } from './search-facts.ts';
import { type EntryFilter, SearchReader } from './search.reader.ts';
import { SystemRandom } from '../../random.ts';
import { SearchStore } from './search.store.ts';

const LOG = 1;
const identity = { logId: LOG } as LogIdentity;
const BEGIN = Date.parse('2026-11-20T12:00:00Z');
const BATCH = 1000;
/** Two blocks and a part of a third. */
const SIZE = 2 * BLOCK + 1500;

const pick = <T>(list: readonly T[], n: number): T => list[n % list.length]!;
const certificate = (n: number) => sha256(encodeUtf8(`certificate ${n}`));
const timeOf = (index: number) => new Date(BEGIN + Math.floor(index / BATCH) * 60_000);

/** `big` publishes nearly all; what is rare is rare everywhere, and `big` never publishes version 9. */
function makeEntry(i: number): NewEntry {
  const body = encodeUtf8(`entry ${i}`);
  const vendorId = i % 50 === 0 ? 'small' : 'big';
  return {
    entry: sha256(body),
    body,
    chain: [],
    contentType: i % 997 === 0 ? 'rare' : pick(['one', 'two'], i),
    issuer: 'https://registry.example',
    subject: `subject ${i % 700}`,
    vendorId,
    applicationId: `${vendorId}-${i % 7}`,
    ...(i % 3 !== 0 && { version: vendorId === 'small' ? '9' : String(i % 5) }),
    certificate: certificate(i % 40),
    mentions: [`sha256:${i}`, `host/app:${i % 11}`, ...(i % 2000 === 1 ? ['host/seldom'] : [])],
  };
}

const entries = Array.from({ length: SIZE }, (_, i) => makeEntry(i));

/** The definition: slow, and obviously right. */
function expected(filter: Omit<EntryFilter, 'limit'>): bigint[] {
  const found = entries.flatMap((entry, i) => {
    const holds =
      (filter.vendorId === undefined || entry.vendorId === filter.vendorId) &&
      (filter.applicationId === undefined || entry.applicationId === filter.applicationId) &&
      (filter.version === undefined || entry.version === filter.version) &&
      (filter.contentType === undefined || entry.contentType === filter.contentType) &&
      (filter.subject === undefined || entry.subject === filter.subject) &&
      (!filter.certificate || Buffer.compare(filter.certificate, entry.certificate!) === 0) &&
      (filter.term === undefined || entry.mentions.includes(filter.term)) &&
      (filter.from === undefined || BigInt(i) >= filter.from) &&
      (filter.before === undefined || BigInt(i) < filter.before) &&
      (!filter.since || timeOf(i) >= filter.since) &&
      (!filter.until || timeOf(i) < filter.until);
    return holds ? [BigInt(i)] : [];
  });
  return found.reverse();
}

const index = fc.bigInt(0n, BigInt(SIZE) + 10n);
const time = fc.integer({ min: -90, max: 800 }).map((seconds) => new Date(BEGIN + seconds * 1000));
const filters = fc.record(
  {
    vendorId: fc.constantFrom('big', 'small', 'nobody'),
    applicationId: fc.constantFrom('big-1', 'small-3', 'none'),
    version: fc.constantFrom('0', '4', '9', 'none'),
    contentType: fc.constantFrom('one', 'two', 'rare', 'none'),
    certificate: fc.nat(40).map(certificate),
    subject: fc.nat(701).map((n) => `subject ${n}`),
    term: fc.oneof(
      fc.constantFrom('host/app:3', 'host/seldom'),
      fc.nat(SIZE).map((n) => `sha256:${n}`),
    ),
    from: index,
    before: index,
    since: time,
    until: time,
  },
  { requiredKeys: [] },
);

describe('search', () => {
  let source: DataSource;
  let db: Db;
  let reader: SearchReader;
  let indexer: IndexForSearch;

  beforeAll(async () => {
    source = await openTestDatabase();
    db = new Db(source);
    reader = new SearchReader(db, identity);
    indexer = new IndexForSearch(db, new SearchStore(), reader, identity);
    const store = new LogStore(new SystemRandom(), db);
    await db.transaction((tx) => store.create(tx, ServedLog.first('registry.example'), EMPTY_ROOT, timeOf(0)));
    for (let at = 0; at < SIZE; at += BATCH) {
      const batch = entries.slice(at, at + BATCH);
      await db.transaction((tx) => appendEntries(tx, store, LOG, batch, timeOf(at)));
    }
  });
  afterAll(() => source.destroy());

  /** Every page, as a caller walks them. */
  async function walk(filter: EntryFilter): Promise<bigint[]> {
    const found: bigint[] = [];
    let before = filter.before;
    for (let pages = 0; pages <= SIZE; pages += 1) {
      const page = await reader.search({ ...filter, ...(before !== undefined && { before }) });
      found.push(...page.records.map((record) => record.index));
      expect(page.records.length).toBeLessThanOrEqual(filter.limit);
      if (page.next === undefined) return found;
      if (before !== undefined) expect(page.next).toBeLessThan(before);
      before = page.next;
    }
    throw new Error('The pages do not end.');
  }

  const walkAll = () =>
    fc.assert(
      fc.asyncProperty(filters, fc.constantFrom(1, 3, 50, 200), async (filter, limit) => {
        const all = expected(filter);
        // Page by page is slow for thousands of hits.
        fc.pre(all.length / limit < 60);
        expect(await walk({ ...filter, limit })).toEqual(all);
      }),
      { numRuns: 150 },
    );

  it('finds all that the definition finds while nothing is written down', walkAll);

  it('writes each full block down once, whoever is at it', async () => {
    expect(await indexer.isDue()).toBe(true);
    await Promise.all([indexer.run(), indexer.run(), indexer.run()]);
    expect(await reader.progress()).toEqual({ size: BigInt(SIZE), blocks: 2 });
    expect(await indexer.isDue()).toBe(false);
  });

  it('finds the same from what is written down', walkAll);

  it('compares what the sets name with what was asked', async () => {
    const lie = await source.query<{ fact: string }[]>(
      'UPDATE log_search_set SET members = decode($1, $2) WHERE octet_length(members) = 512 RETURNING fact',
      ['ff'.repeat(512), 'hex'],
    );
    expect(lie.length).toBeGreaterThan(0);
    for (const filter of [
      { vendorId: 'small', contentType: 'two' },
      { vendorId: 'big', version: '9' },
      { version: '4' },
    ]) {
      const all = expected(filter).slice(0, 300);
      const found: bigint[] = [];
      for (let before: bigint | undefined; found.length < all.length;) {
        const page = await reader.search({ ...filter, limit: 50, ...(before !== undefined && { before }) });
        found.push(...page.records.map((record) => record.index));
        before = page.next;
        if (before === undefined) break;
      }
      expect(found.slice(0, all.length)).toEqual(all);
    }
  });
});
