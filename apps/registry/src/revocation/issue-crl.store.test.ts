import { parseCrl } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admitVendor, call, ensurePki, issueTo } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { FixedClock } from '../clock.ts';
import { Db } from '../db/db.ts';
import { PublishedFiles } from '../http/published-files.store.ts';
import { Readiness } from '../http/readiness.ts';
import { leavesOf } from './crl-plans.ts';
import { IssueCrl } from './issue-crl.ts';
import { RevocationReader } from './revocation.reader.ts';
import { RevocationStore } from './revocation.store.ts';
import { SignCrl } from './sign-crl.ts';

const clock = new FixedClock(new Date());
const HOUR = 3_600_000;
let registry: TestRegistry;
let issue: IssueCrl;

beforeAll(async () => {
  registry = await startTestRegistry({ clock });
  await ensurePki(registry);
  issue = registry.app.get(IssueCrl);
});
afterAll(() => registry?.close());

const latest = async () => (await registry.app.get(RevocationReader).crls()).find(({ ca }) => ca === 'issuing-1')!;
const count = async () => {
  const [row] = await registry.app.get(Db).query<{ n: string }>(`SELECT count(*) AS n FROM crl WHERE ca = 'issuing-1'`);
  return Number(row!.n);
};
const sign = () =>
  registry.app.get(Db).transaction(async (tx) => {
    await registry.app.get(RevocationStore).lockCrls(tx);
    await registry.app.get(SignCrl).run(tx, leavesOf('issuing-1'));
  });
const complaint = async () => (await registry.app.get(Readiness).failures())['crl'];

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
    expect(await count()).toBe(before + 1);
  });

  it('has a number of its own even when several are signed in the same second', async () => {
    const before = await latest();
    await Promise.all(Array.from({ length: 6 }, sign));
    expect((await latest()).number).toBe(before.number + 6n);
  });

  it('has a larger number than one that a restored backup has forgotten', async () => {
    const forgotten = await latest();
    clock.moveTo(new Date(clock.now().getTime() + HOUR));
    await sign();
    const seconds = BigInt(Math.floor(clock.now().getTime() / 1_000));
    expect((await latest()).number).toBe(seconds);
    expect(seconds > forgotten.number).toBe(true);
  });

  it('counts on when the clock steps back', async () => {
    const before = await latest();
    clock.moveTo(new Date(clock.now().getTime() - 600_000));
    await sign();
    expect((await latest()).number).toBe(before.number + 1n);
    clock.moveTo(new Date(clock.now().getTime() + 600_000));
  });

  it('cannot be stored with a number that was used, whoever asks', async () => {
    const { ca, shard, number, thisUpdate, nextUpdate, sequence } = await latest();
    const again = { ca, shard, number, thisUpdate, nextUpdate, sequence, sha256: new Uint8Array(32) };
    const store = registry.app.get(RevocationStore);
    await expect(registry.app.get(Db).transaction((tx) => store.insertCrl(tx, again))).rejects.toThrow(/only grow/);
  });

  it('is the one that readers get', async () => {
    const file = await registry.app.get(PublishedFiles).find('/crl/issuing-1/0.crl');
    const crl = parseCrl(Uint8Array.from(file!.body));
    expect(crl.number).toBe((await latest()).number);
    expect(crl.distributionPoint).toBe(`${registry.url}/crl/issuing-1/0.crl`);
    expect(file!.cacheControl).toBe('public, max-age=5');
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

  it('is due at once after a revocation', async () => {
    clock.moveTo(new Date());
    const { serial } = await issueTo(registry, await admitVendor(registry));
    expect(await issue.isDue()).toBe(false);
    await call(registry, 'post', `/api/v1/certificates/${serial}/revocation`, 'victor', { reason: 'unspecified' });
    expect(await issue.isDue()).toBe(true);
    await issue.run();
    expect(await issue.isDue()).toBe(false);
    expect((await latest()).sequence).toBe(1n);
  });
});
