import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parseCrl } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitVendor, call, ensurePki, issueTo } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { FixedClock } from '../clock.ts';
import { Db } from '../db/db.ts';
import { PublishedFiles } from '../http/published-files.store.ts';
import { Readiness } from '../http/readiness.ts';
import { LogReader } from '../log/log.reader.ts';
import { IssueCrl } from './issue-crl.ts';
import { RevocationReader } from './revocation.reader.ts';
import { RevocationStore } from './revocation.store.ts';

const clock = new FixedClock(new Date());
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
let registry: TestRegistry;
let issue: IssueCrl;

beforeAll(async () => {
  registry = await startTestRegistry({ clock });
  await ensurePki(registry);
  issue = registry.app.get(IssueCrl);
});
afterAll(() => registry?.close());

const states = async () => (await registry.app.get(RevocationReader).crls()).filter(({ ca }) => ca === 'issuing-1');
const latest = async () => (await states())[0]!;
const numbers = async () => (await states()).map(({ number }) => number);
const count = async () => {
  const [row] = await registry.app.get(Db).query<{ n: string }>(`SELECT count(*) AS n FROM crl WHERE ca = 'issuing-1'`);
  return Number(row!.n);
};
/** Sign-ins are good for an hour of real time. */
const today = async <T>(work: () => Promise<T>): Promise<T> => {
  const now = clock.now();
  clock.moveTo(new Date());
  try {
    return await work();
  } finally {
    clock.moveTo(now);
  }
};
const revokeOne = () =>
  today(async () => {
    const { serial, fingerprint } = await issueTo(registry, await admitVendor(registry));
    await call(registry, 'post', `/api/v1/certificates/${serial}/revocation`, 'victor', { reason: 'keyCompromise' });
    return { serial, fingerprint, shard: parseInt(serial.slice(-2), 16) % 128 };
  });
const complaint = async () => (await registry.app.get(Readiness).failures())['crl'];
const parsed = async (path: string) =>
  parseCrl(Uint8Array.from((await registry.app.get(PublishedFiles).find(path))!.body));
/** Certificates that nobody issued, so many at once: rows as issuing makes them. */
const plant = async (vendor: string, amount: number) => {
  const serials = Array.from({ length: amount }, () => `40${randomBytes(15).toString('hex')}`);
  const { size } = await registry.app.get(LogReader).loadHead();
  await registry.app.get(Db).query(
    `INSERT INTO certificate (serial, fingerprint, spki_sha256, vendor_id, issuer, shard, der, not_before, not_after,
                              log_index, entry_id, issued_at, assurance)
     SELECT s, sha256(decode(s, 'hex')), sha256(decode('00' || s, 'hex')), $2, 'issuing-1',
            get_byte(decode(s, 'hex'), 15) % 128, '', $3::timestamptz, $3::timestamptz + interval '1 year', $4, 'planted', $3, 'software'
     FROM unnest($1::text[]) AS t (s)`,
    [serials, vendor, clock.now(), size.toString()],
  );
  return serials;
};

describe('a CRL', () => {
  it('is not due again until something is revoked or six hours have passed', async () => {
    expect(await issue.isDue()).toBe(false);
    clock.moveTo(new Date(clock.now().getTime() + 6 * HOUR - 2_000));
    expect(await issue.isDue()).toBe(false);
    clock.moveTo(new Date(clock.now().getTime() + 2_000));
    expect(await issue.isDue()).toBe(true);
    await issue.run();
    expect(await issue.isDue()).toBe(false);
    const { thisUpdate, nextUpdate } = await latest();
    expect(nextUpdate.getTime() - thisUpdate.getTime()).toBe(24 * HOUR);
  });

  it('is issued once when several workers find it due', async () => {
    clock.moveTo(new Date(clock.now().getTime() + 6 * HOUR));
    const before = await count();
    await Promise.all(Array.from({ length: 5 }, () => issue.run()));
    expect(await count()).toBe(before + 128);
  });

  it('has a larger number than one that a restored backup has forgotten', async () => {
    const forgotten = await numbers();
    const { size } = await registry.app.get(LogReader).loadHead();
    // A clock that stands still, and a log that went on: nothing of what follows is in the table of CRLs.
    await today(() => admitVendor(registry));
    await registry.source.query('ALTER TABLE crl DISABLE TRIGGER ALL; ALTER TABLE crl_twin DISABLE TRIGGER ALL');
    await registry.source.query('DELETE FROM crl_twin; DELETE FROM crl');
    await registry.source.query('ALTER TABLE crl ENABLE TRIGGER ALL; ALTER TABLE crl_twin ENABLE TRIGGER ALL');
    await issue.run();
    const again = await numbers();
    expect(again.every((number, shard) => number > forgotten[shard]!)).toBe(true);
    expect(again[0]! >> 32n).toBeGreaterThan(size);
  });

  it('counts on when the clock steps back', async () => {
    const before = await numbers();
    const now = clock.now();
    clock.moveTo(new Date(now.getTime() - 600_000));
    const { shard } = await revokeOne();
    await issue.run();
    expect((await numbers())[shard]! > before[shard]!).toBe(true);
    clock.moveTo(now);
  });

  it('cannot be stored with a number that was used, whoever asks', async () => {
    const { ca, shard, number, thisUpdate, nextUpdate, sequence } = await latest();
    const again = { ca, shard, number, thisUpdate, nextUpdate, sequence, sha256: new Uint8Array(32) };
    const store = registry.app.get(RevocationStore);
    await expect(registry.app.get(Db).transaction((tx) => store.insertCrls(tx, [again], []))).rejects.toThrow(
      /only grow/,
    );
  });

  it('is the one that readers get, of each shard, with its twin', async () => {
    for (const { shard, number, twin } of await states()) {
      const file = await registry.app.get(PublishedFiles).find(`/crl/issuing-1/${shard}.crl`);
      expect(file!.cacheControl).toBe('public, max-age=5');
      const crl = parseCrl(Uint8Array.from(file!.body));
      expect(crl.number).toBe(number);
      expect(crl.distributionPoint).toBe(`${registry.url}/crl/issuing-1/${shard}.crl`);
      const long = await parsed(`/crl/issuing-1/${shard}.long.crl`);
      expect([long.number, long.distributionPoint]).toEqual([twin!.number, crl.distributionPoint]);
      expect(long.nextUpdate!.getTime() - long.thisUpdate.getTime()).toBe(30 * DAY);
    }
  });

  it('has a twin that stays while nothing changes, for a week', async () => {
    const now = clock.now();
    const before = (await states()).map(({ twin }) => twin!.number);
    clock.moveTo(new Date(now.getTime() + 6 * DAY));
    await issue.run();
    expect((await states()).map(({ twin }) => twin!.number)).toEqual(before);
    clock.moveTo(new Date(now.getTime() + 8 * DAY));
    await issue.run();
    for (const { number, twin } of await states()) expect(twin!.number).toBe(number);
  });

  it('makes the service complain when nobody renews it', async () => {
    expect(await complaint()).toBeUndefined();
    const now = clock.now();
    clock.moveTo(new Date(now.getTime() + 12 * HOUR));
    expect(await complaint()).toMatch(/is the worker running/);
    await issue.run();
    expect(await complaint()).toBeUndefined();
    clock.moveTo(now);
  });

  it('is signed again after a revocation, and no other one with it', async () => {
    await issue.run();
    expect(await issue.isDue()).toBe(false);
    const before = await numbers();
    const { serial, shard } = await revokeOne();
    expect(await issue.isDue()).toBe(true);
    await issue.run();
    expect(await issue.isDue()).toBe(false);
    const after = await states();
    const changed = after.filter(({ number, shard }) => number !== before[shard]);
    expect(changed.map(({ shard }) => shard)).toEqual([shard]);
    expect(changed[0]!.twin!.number).toBe(changed[0]!.number);
    const crl = await parsed(`/crl/issuing-1/${changed[0]!.shard}.crl`);
    expect(crl.entries.has(serial)).toBe(true);
  });

  it('loses nothing and counts up when two workers publish 10,000 revocations as they are made', async () => {
    clock.moveTo(new Date());
    const vendor = await admitVendor(registry);
    const serials = await plant(vendor, 10_000);
    const decide = (from: number) =>
      call(registry, 'post', '/api/v1/revocations', 'alice', {
        target: { serials: serials.slice(from, from + 500) },
        reason: 'keyCompromise',
      });
    let isDone = false;
    const worker = async () => {
      while (!isDone) {
        if (await issue.isDue()) await issue.run();
        clock.moveTo(new Date(clock.now().getTime() + 200));
      }
    };
    const workers = [worker(), worker()];
    for (let from = 0; from < serials.length; from += 500) expect((await decide(from)).status).toBe(201);
    isDone = true;
    await Promise.all(workers);
    await issue.run();

    const listed = new Set<string>();
    for (const { shard } of await states()) {
      for (const path of [`/crl/issuing-1/${shard}.crl`, `/crl/issuing-1/${shard}.long.crl`]) {
        const { entries } = await parsed(path);
        for (const serial of entries.keys()) {
          expect(parseInt(serial.slice(-2), 16) % 128).toBe(shard);
          listed.add(`${path.endsWith('.long.crl')} ${serial}`);
        }
      }
    }
    expect(serials.filter((serial) => !listed.has(`false ${serial}`) || !listed.has(`true ${serial}`))).toEqual([]);
    // In the order of their transactions, which take turns: no number of a shard is the same as, or below, one before it.
    const wrong = await registry.app.get(Db).query(
      `SELECT * FROM (SELECT number, sequence, lag(number) OVER w AS before, lag(sequence) OVER w AS knew FROM crl
         WINDOW w AS (PARTITION BY ca, shard ORDER BY xmin::text::bigint)) n WHERE number <= before OR sequence < knew`,
    );
    expect(wrong).toEqual([]);
  }, 120_000);
});

describe('the feeds', () => {
  it('name the latest decisions, and the list has the shape of the draft', async () => {
    const { serial, fingerprint } = await revokeOne();
    await issue.run();
    const text = async (path: string, type: string) => {
      const response = await fetch(`${registry.url}${path}`);
      expect([response.status, response.headers.get('content-type')]).toEqual([200, type]);
      return response.text();
    };
    const feed = JSON.parse(await text('/revocations/feed.json', 'application/feed+json')) as {
      version: string;
      items: { url: string; _revocation: object }[];
    };
    expect(feed.version).toBe('https://jsonfeed.org/version/1.1');
    expect(feed.items[0]).toMatchObject({
      _revocation: { kind: 'certificate', target: serial, reason: 'keyCompromise' },
    });
    expect((await fetch(feed.items[0]!.url)).status).toBe(200);
    const atom = await text('/revocations/feed.atom', 'application/atom+xml');
    expect(atom).toContain(`<title>Certificate ${serial} revoked: keyCompromise</title>`);
    expect(atom.match(/<entry>/g)).toHaveLength(feed.items.length);
    const miaf = JSON.parse(await text('/revocations/miaf.json', 'application/json')) as {
      revokedSvids: { serialNumber: string }[];
    };
    const golden = JSON.parse(
      await readFile(
        new URL('../../../../test/vectors/margo/miaf-revocations.200-one-entry.golden.json', import.meta.url),
        'utf8',
      ),
    ) as typeof miaf;
    expect(Object.keys(miaf)).toEqual(Object.keys(golden));
    expect(Object.keys(miaf.revokedSvids[0]!)).toEqual(Object.keys(golden.revokedSvids[0]!));
    expect(miaf.revokedSvids.find(({ serialNumber }) => serialNumber === serial.toUpperCase())).toMatchObject({
      certFingerprintSha256: fingerprint,
    });
  });
});
