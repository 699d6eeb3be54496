import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EMPTY_ROOT } from '@margo-trust/merkle';
import { Db } from '../../apps/registry/dist/db/db.js';
import { openDatabase } from '../../apps/registry/dist/db/data-source.js';
import { startEmbeddedPostgres } from '../../apps/registry/dist/db/embedded-postgres.js';
import { appendEntries } from '../../apps/registry/dist/log/append-entries.js';
import { IndexForSearch } from '../../apps/registry/dist/log/search/index-for-search.js';
import { IndexMapReader } from '../../apps/registry/dist/log/search/index-map.reader.js';
import { IndexMapStore } from '../../apps/registry/dist/log/search/index-map.store.js';
import { LogStore } from '../../apps/registry/dist/log/log.store.js';
import { SearchReader } from '../../apps/registry/dist/log/search/search.reader.js';
import { SearchStore } from '../../apps/registry/dist/log/search/search.store.js';
import { UpdateIndexMap } from '../../apps/registry/dist/log/search/update-index-map.js';
import { SystemRandom } from '../../apps/registry/dist/random.js';
import { quantile } from './quantile.mjs';

const BATCH = 1024;
const ROUNDS = 40;
const BEGIN = Date.parse('2026-01-01T00:00:00Z');
const CONTENT = ['application/vnd.cncf.notary.payload.v1+json', 'application/vnd.margo.trust.release.v1+json'];
const identity = { logId: 1, origin: 'log.bench.example' };

/**
 * Search and the index map in an embedded, durable database of `SEARCH_ENTRIES` entries (default 100,000; 1,000,000 takes
 * some minutes to fill): what appending costs, how fast both indexes catch up, and the time of each kind of question.
 */
export async function measureSearch() {
  const entries = Number(process.env.SEARCH_ENTRIES ?? 100_000);
  const stateDirectory = mkdtempSync(join(tmpdir(), 'margo-search-'));
  const postgres = await startEmbeddedPostgres({ stateDirectory, onLost: () => process.exit(1) });
  const source = await openDatabase(postgres);
  try {
    const db = new Db(source);
    const store = new LogStore(new SystemRandom(), db);
    await db.transaction((tx) => store.create(tx, 1, identity.origin, EMPTY_ROOT, new Date(BEGIN)));
    const rate = await fill(db, store, entries);
    const reader = new SearchReader(db, identity);
    const indexer = new IndexForSearch(db, new SearchStore(), reader, identity);
    const sets = await timed(async () => {
      while (await indexer.isDue()) await indexer.run();
    });
    const map = await timed(() => catchUp(db, store));
    await source.query('VACUUM ANALYZE');
    const figures = [];
    for (const [what, filters] of questions(entries)) figures.push([what, await ask(reader, filters)]);
    const perSecond = (seconds) => `${seconds.toFixed(1)} s, ${Math.round(entries / seconds).toLocaleString('en')}/s`;
    return [
      [
        `appending ${entries.toLocaleString('en')} entries, ${BATCH} a transaction`,
        `${Math.round(rate).toLocaleString('en')}/s`,
      ],
      ['sets of search, from nothing', perSecond(sets)],
      ['index map, from nothing', perSecond(map)],
      ...figures,
    ];
  } finally {
    await source.destroy();
    await postgres.stop();
    rmSync(stateDirectory, { recursive: true, force: true });
  }
}

/** Nine of ten entries are of one vendor; one in a hundred is a release, and never of that vendor. */
function makeEntry(n) {
  const hash = (text) => createHash('sha256').update(text).digest();
  const vendorId = n % 10 === 0 ? `01jd${String(n % 500).padStart(22, '0')}` : `01jb${'0'.repeat(22)}`;
  const isRelease = n % 100 === 0;
  const digest = `sha256:${hash(`digest ${n}`).toString('hex')}`;
  const body = Buffer.concat([hash(`body ${n}`), Buffer.alloc(1100, n)]);
  return {
    entry: createHash('sha256').update(body).digest(),
    body,
    chain: [],
    contentType: CONTENT[isRelease ? 1 : 0],
    issuer: `https://${vendorId}.vendors.bench.example/`,
    subject: `oci:image:${digest}`,
    vendorId,
    ...(isRelease && { applicationId: `app-${n % 7000}`, version: n % 300 === 0 ? '1.0.0' : `2.${n % 900}.0` }),
    certificate: hash(`certificate ${vendorId} ${n % 3}`),
    mentions: [digest, `registry.example/app:${n % 5000}`],
  };
}

async function fill(db, store, entries) {
  let spent = 0;
  for (let first = 0; first < entries; first += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, entries - first) }, (_, i) => makeEntry(first + i));
    const now = new Date(BEGIN + Math.floor(first / BATCH) * 10_000);
    spent += await timed(() => db.transaction((tx) => appendEntries(tx, store, 1, batch, now)));
  }
  return entries / spent;
}

/** The map without its records, which need the keys of a whole service; each is one entry for 65,536. */
async function catchUp(db, store) {
  const clock = { now: () => new Date() };
  const mapStore = new IndexMapStore();
  const record = {
    run: async (tx) => {
      const { placed } = await appendEntries(
        tx,
        store,
        1,
        [{ ...makeEntry(-1 - Math.floor(performance.now() * 1000)), vendorId: undefined }],
        clock.now(),
      );
      return { index: placed[0].index };
    },
  };
  const update = new UpdateIndexMap(db, mapStore, new IndexMapReader(db, identity), record, identity, clock);
  for (;;) {
    const { logSize, state } = await new IndexMapReader(db, identity).findProgress();
    if (state && logSize - state.size <= 1n) return;
    await update.run();
  }
}

function questions(entries) {
  const big = `01jb${'0'.repeat(22)}`;
  const some = (make) => Array.from({ length: ROUNDS }, (_, i) => ({ limit: 50, ...make(i) }));
  const at = (share) => BigInt(Math.floor(entries * share));
  const digestOf = (n) => makeEntry(n).mentions[0];
  const time = (share) => new Date(BEGIN + Math.floor((entries * share) / BATCH) * 10_000);
  return [
    ['newest entries', some(() => ({}))],
    ['a digest', some((i) => ({ term: digestOf((i * 7919) % entries) }))],
    ['a digest nobody speaks of', some((i) => ({ term: `sha256:${String(i).padStart(64, '0')}` }))],
    ['a vendor with 90 %', some(() => ({ vendorId: big }))],
    ['the same, deep in', some((i) => ({ vendorId: big, before: at((i + 1) / (ROUNDS + 2)) }))],
    ['a vendor with few', some((i) => ({ vendorId: makeEntry((i * 10) % 500).vendorId }))],
    ['a vendor with 90 % and a type it never uses', some(() => ({ vendorId: big, contentType: CONTENT[1] }))],
    ['a rare vendor and a common type', some(() => ({ vendorId: makeEntry(10).vendorId, contentType: CONTENT[0] }))],
    ['a version', some(() => ({ version: '1.0.0' }))],
    [
      'a version and an application that lacks it',
      some(() => ({ version: '1.0.0', applicationId: makeEntry(100).applicationId })),
    ],
    ['a certificate', some((i) => ({ certificate: makeEntry((i * 101) % entries).certificate }))],
    [
      'a type in a window of time',
      some((i) => ({ contentType: CONTENT[1], since: time(i / ROUNDS), until: time((i + 0.1) / ROUNDS) })),
    ],
    ['a span of indices', some((i) => ({ from: at(i / ROUNDS), before: at((i + 0.5) / ROUNDS) }))],
    ['200 releases', some(() => ({ contentType: CONTENT[1], limit: 200 }))],
  ];
}

async function ask(reader, filters) {
  const times = [];
  for (const filter of filters) times.push((await timed(() => reader.search(filter))) * 1000);
  times.sort((a, b) => a - b);
  return `p50 ${quantile(times, 0.5).toFixed(1)} ms, p95 ${quantile(times, 0.95).toFixed(1)} ms`;
}

async function timed(work) {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}
