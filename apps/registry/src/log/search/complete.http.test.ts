import {
  AuditorFault,
  IndexCheck,
  LogCheck,
  parseEvidence,
  type EvidenceRow,
  type LogEvidence,
} from '@margo-trust/auditor';
import { loadCompleteAnswer, RegistryApi } from '@margo-trust/client';
import type { IndexKey } from '@margo-trust/index-map';
import { parseStatement, readFacts } from '@margo-trust/statement';
import { parseTrustRootDocument, type TrustRootDocument } from '@margo-trust/verifier';
import type { CompleteAnswer, LogSummary } from '@margo-trust/wire';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { signSomeArtifact } from '../../../../../test/artifact.ts';
import { admitVendor, ensurePki, issueTo, makeCsr } from '../../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../../test/registry.ts';
import { Db } from '../../db/db.ts';
import { appendEntries } from '../append-entries.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogStore, type NewEntry } from '../log.store.ts';
import { toNewEntry } from '../admission/statement-facts.ts';
import { UpdateIndexMap } from './update-index-map.ts';

describe('complete answers over HTTP', () => {
  let registry: TestRegistry;
  let api: RegistryApi;
  let trust: TrustRootDocument;
  let update: UpdateIndexMap;
  let [big, small] = ['', ''];
  let sign: (vendor: 'big' | 'small') => NewEntry;

  beforeAll(async () => {
    registry = await startTestRegistry();
    await ensurePki(registry);
    api = new RegistryApi({ url: registry.url });
    update = registry.app.get(UpdateIndexMap);
    const enrol = async (name: string) => {
      const id = await admitVendor(registry, name);
      const { pem, key } = makeCsr();
      const issued = await issueTo(registry, id, pem);
      return { id, sign: () => signSomeArtifact(`https://${id}.vendors.registry.localhost/`, key, issued.chain) };
    };
    const vendors = { big: await enrol('Big GmbH'), small: await enrol('Small GmbH') };
    [big, small] = [vendors.big.id, vendors.small.id];
    sign = (name) => ({ ...toNewEntry(parseStatement(vendors[name].sign())), vendorId: vendors[name].id });
    const { rows } = await evidence();
    trust = parseTrustRootDocument(parseStatement(rows[1]!.body!).payload);
  });
  afterAll(() => registry?.close());

  const size = async () => BigInt(((await (await fetch(`${registry.url}/api/v1/log`)).json()) as LogSummary).size);
  async function evidence(): Promise<{ rows: EvidenceRow[]; check: () => IndexCheck }> {
    const end = await size();
    const bundles: LogEvidence[] = [];
    for (let first = 0n; first < end; first += 256n) {
      const width = end - first < 256n ? Number(end - first) : 256;
      const name = `${String(first / 256n).padStart(3, '0')}${width < 256 ? `.p/${width}` : ''}`;
      const bytes = await (await fetch(`${registry.url}/log/evidence/${name}`)).arrayBuffer();
      bundles.push(parseEvidence(new Uint8Array(bytes)));
    }
    const check = () => {
      const [log, index] = [new LogCheck('log.registry.localhost'), new IndexCheck()];
      for (const bundle of bundles) index.add(log.add(bundle));
      return index;
    };
    return { rows: bundles.flatMap(({ rows }) => rows), check };
  }
  const append = (entries: readonly NewEntry[]) =>
    registry.app
      .get(Db)
      .transaction((tx) =>
        appendEntries(tx, registry.app.get(LogStore), registry.app.get(LogIdentity).logId, entries, new Date()),
      );
  const indexesOf = async (vendorId: string, below: bigint) =>
    (await evidence()).rows
      .flatMap((row, i) => (row.vendorId === vendorId && BigInt(i) < below ? [BigInt(i)] : []))
      .reverse();
  const vendorKey = (value: string): IndexKey => ({ kind: 'vendor', value });

  it('answers nobody before its root is on record, and says when to ask again', async () => {
    const response = await fetch(`${registry.url}/api/v1/log/complete?vendor=${big}`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('30');
    expect(await response.json()).toMatchObject({ code: 'log/not-indexed' });
  });

  it('puts its root on record once, and rests while nothing else is new', async () => {
    expect(await update.isDue()).toBe(true);
    await Promise.all([update.run(), update.run()]);
    const after = await size();
    expect(await update.isDue()).toBe(false);
    expect(await update.isNear()).toBe(false);
    await update.run();
    expect(await size()).toBe(after);
    const found = (await (
      await fetch(`${registry.url}/api/v1/log/entries?subject=index-map:log.registry.localhost`)
    ).json()) as {
      items: unknown[];
    };
    expect(found.items).toHaveLength(1);
  });

  it('proves for each key that nothing is left out, over many pages and steps', async () => {
    const batches = [1, 300, 2, 255, 1, 90];
    for (const [n, count] of batches.entries()) {
      await append(Array.from({ length: count }, (_, i) => sign(i % 40 === 0 ? 'small' : 'big')));
      if (n !== 3) await update.run();
    }
    for (const id of [big, small]) {
      const answer = await loadCompleteAnswer(api, vendorKey(id), { trust });
      const expected = await indexesOf(id, answer.size);
      expect(answer.entries.map(({ index }) => BigInt(index))).toEqual(expected);
      expect(answer.count).toBe(BigInt(expected.length));
      expect(answer.entries.every(({ isChecked }) => isChecked)).toBe(true);
    }
    const newest = await loadCompleteAnswer(api, vendorKey(big), { trust, limit: 3 });
    expect(newest.entries).toHaveLength(3);
    expect(newest.count).toBeGreaterThan(400n);
  }, 120_000);

  it('proves single entries and absence', async () => {
    const { rows } = await evidence();
    const [digest = ''] = readFacts(parseStatement(rows.at(-5)!.body!)).digests;
    const one = await loadCompleteAnswer(api, { kind: 'digest', value: digest }, { trust });
    expect(one.entries.map(({ index }) => index)).toEqual([String(rows.length - 5)]);
    const none = await loadCompleteAnswer(api, { kind: 'digest', value: `sha256:${'0'.repeat(64)}` }, { trust });
    expect(none).toMatchObject({ count: 0n, entries: [] });
  });

  it('is as the auditor recomputes it', async () => {
    const { rows, check } = await evidence();
    expect(rows.length).toBeGreaterThan(600);
    expect(check().report.roots).toBeGreaterThan(4);
  });

  it.each<[string, (answer: CompleteAnswer) => CompleteAnswer, string]>([
    ['leaves an entry out', (a) => ({ ...a, items: a.items.filter((_, i) => i !== 5) }), 'index/not-complete'],
    ['leaves the newest out', (a) => ({ ...a, items: a.items.slice(1) }), 'index/not-complete'],
    ['shows less and says so', (a) => ({ ...a, items: a.items.slice(1), count: '1' }), 'index/not-complete'],
    [
      'says that there is nothing',
      ({ proof, ...a }) => ({ ...a, items: [], proof: { siblings: proof!.siblings } }),
      'index/bad-proof',
    ],
    [
      'exchanges an entry for another',
      (a) => ({ ...a, items: a.items.map((item, i) => (i === 2 ? a.items[3]! : item)) }),
      'index/not-complete',
    ],
    [
      'shows an entry elsewhere',
      (a) => ({ ...a, items: a.items.map((item, i) => (i === 2 ? { ...item, index: '1' } : item)) }),
      'index/bad-proof',
    ],
    ['ends too early', (a) => ({ ...a, position: '0' }), 'index/not-complete'],
    ['has no record', ({ record: _, ...a }) => a, 'index/bad-proof'],
  ])('is refused when the registry %s', async (_, change, code) => {
    const lying = new RegistryApi({ url: registry.url });
    const honest = lying.loadComplete.bind(lying);
    vi.spyOn(lying, 'loadComplete').mockImplementation(async (query) => change(await honest(query)));
    await expect(loadCompleteAnswer(lying, vendorKey(big), { trust, limit: 50 })).rejects.toMatchObject({ code });
  });

  it('is refused under the key of another registry', async () => {
    const other = { ...trust, records: [] };
    await expect(loadCompleteAnswer(api, vendorKey(big), { trust: other })).rejects.toMatchObject({
      code: 'index/bad-record',
    });
  });

  it('is found out by whoever recomputes it, when the map itself leaves an entry out', async () => {
    await append([sign('small'), sign('small')]);
    const planted = (await size()) - 1n;
    // The registry forgets whose entry it is before the map sees it: the map is consistent, signed and logged.
    await registry.source.query('ALTER TABLE log_entry DISABLE TRIGGER log_entry_append_only');
    await registry.source.query('UPDATE log_entry SET vendor_id = NULL WHERE index = $1', [planted.toString()]);
    await update.run();
    const answer = await loadCompleteAnswer(api, vendorKey(small), { trust });
    expect(answer.entries.map(({ index }) => index)).not.toContain(planted.toString());
    expect(answer.size).toBe(planted + 1n);

    const { rows } = await evidence();
    await registry.source.query('UPDATE log_entry SET vendor_id = $2 WHERE index = $1', [planted.toString(), small]);
    const { check } = await evidence();
    expect(check).toThrow(AuditorFault);
    expect(check).toThrow(expect.objectContaining({ code: 'audit/wrong-index', index: BigInt(rows.length - 1) }));
  });

  it.each([
    '',
    'vendor=nobody',
    `vendor=${'0'.repeat(26)}&digest=sha256:${'0'.repeat(64)}`,
    'digest=sha256:zz',
    `vendor=${'0'.repeat(26)}&before=7.9`,
    `vendor=${'0'.repeat(26)}&before=0.999999999`,
    `vendor=${'0'.repeat(26)}&before=x`,
    `vendor=${'0'.repeat(26)}&limit=201`,
    'q=1',
  ])('refuses the query %s', async (query) => {
    const response = await fetch(`${registry.url}/api/v1/log/complete?${query}`);
    expect({ status: response.status, code: ((await response.json()) as { code: string }).code }).toEqual({
      status: 400,
      code: 'http/invalid-query',
    });
  });

  it('demands a size and gets it, or waits for it', async () => {
    const end = await size();
    const path = `${registry.url}/api/v1/log/complete?vendor=${big}&size=`;
    expect((await fetch(`${path}${end - 1n}`)).status).toBe(200);
    expect((await fetch(`${path}${end + 1n}`)).status).toBe(503);
  });
});
