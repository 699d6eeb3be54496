import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensurePki } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { FixedClock } from '../clock.ts';
import { Readiness } from '../http/readiness.ts';
import { Canary } from './canary.ts';
import { CanaryStore } from './canary.store.ts';

const clock = new FixedClock(new Date());
const HOUR = 3_600_000;
let registry: TestRegistry;
let canary: Canary;

beforeAll(async () => {
  registry = await startTestRegistry({ clock });
  await ensurePki(registry);
  canary = registry.app.get(Canary);
});
afterAll(() => registry?.close());

const seen = async () => {
  await canary.run();
  return (await registry.app.get(CanaryStore).find())!;
};
const complaint = async () => (await registry.app.get(Readiness).failures())['outputs'];
const later = (hours: number) => clock.moveTo(new Date(clock.now().getTime() + hours * HOUR));
const replace = (path: string, from: string) =>
  registry.source.query(
    'UPDATE published_file SET body = f.body, etag = f.etag FROM published_file f WHERE published_file.path = $1 AND f.path = $2',
    [path, from],
  );

describe('the canary', () => {
  it('finds nothing where all is well, shard after shard, once a minute', async () => {
    expect(await canary.isDue()).toBe(false);
    later(1 / 60);
    expect(await canary.isDue()).toBe(true);
    const first = await seen();
    expect(first).toMatchObject({ old: [], wrong: [], nextShard: 5 });
    expect(await canary.isDue()).toBe(false);
    later(1 / 60);
    expect(await canary.isDue()).toBe(true);
    expect(await seen()).toMatchObject({ old: [], wrong: [], nextShard: 10 });
    expect(await complaint()).toBeUndefined();
  });

  it('notices a CRL that is another’s, is damaged or is gone, without making the service unready', async () => {
    const { nextShard } = (await registry.app.get(CanaryStore).find())!;
    const path = (n: number) => `/crl/issuing-1/${nextShard + n}.crl`;
    await replace(path(0), '/crl/issuing-1/0.crl');
    await replace(path(1), '/crl/root/0.crl');
    await replace(path(2), '/tuf/timestamp.json');
    await registry.source.query('DELETE FROM published_file WHERE path = $1', [path(3)]);
    const { old, wrong } = await seen();
    expect(old).toEqual([]);
    expect(wrong).toHaveLength(4);
    expect(wrong[0]).toContain('is the CRL of another shard');
    expect(wrong[1]).toContain('does not hold');
    expect(wrong[2]).toContain('does not hold');
    expect(wrong[3]).toContain('answers 404');
    expect(await complaint()).toBeUndefined();
    expect(registry.logged.filter(({ msg }) => String(msg).startsWith('Canary: '))).toHaveLength(4);
    const metrics = await (await fetch(`${registry.url}/metrics`)).text();
    expect(metrics).toContain('margo_canary_findings{kind="wrong"} 4');
  });

  it('makes the service unready before clients refuse what they get', async () => {
    later(13);
    const { old } = await seen();
    expect(old).toHaveLength(5);
    expect(await complaint()).toMatch(/crl was signed at/);
    later(48);
    expect((await seen()).old.join(' ')).toContain('/tuf/timestamp.json ends at');
  });
});
