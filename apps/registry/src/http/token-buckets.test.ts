import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBuckets } from './token-buckets.ts';

const rate = { perSecond: 10, burst: 3 };

describe('TokenBuckets', () => {
  it('grants the burst at once, then as many a second as the rate says', () => {
    const buckets = new TokenBuckets(10);
    expect([1, 2, 3].map(() => buckets.take('a', rate, 1_000))).toEqual([0, 0, 0]);
    expect(buckets.take('a', rate, 1_000)).toBeCloseTo(100);
    expect(buckets.take('a', rate, 1_099)).toBeCloseTo(1);
    expect(buckets.take('a', rate, 1_100)).toBe(0);
    expect(buckets.take('a', rate, 1_100)).toBeCloseTo(100);
    expect([1, 2, 3].map(() => buckets.take('a', rate, 2_000))).toEqual([0, 0, 0]);
    expect(buckets.take('a', rate, 2_000)).toBeGreaterThan(0);
  });

  it('keeps one key from another, and no more keys than it may', () => {
    const buckets = new TokenBuckets(2);
    for (let n = 0; n < 3; n += 1) buckets.take('a', rate, 0);
    expect(buckets.take('b', rate, 0)).toBe(0);
    expect(buckets.take('a', rate, 0)).toBeGreaterThan(0);
    for (const key of ['c', 'd', 'e']) expect(buckets.take(key, rate, 0)).toBe(0);
    expect(buckets.size).toBe(2);
  });

  it('never grants more than burst and rate allow in any span of time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 }),
        (perSecond, burst, steps) => {
          const buckets = new TokenBuckets(1);
          const granted: number[] = [];
          let now = 0;
          for (const step of steps) {
            now += step;
            if (buckets.take('a', { perSecond, burst }, now) === 0) granted.push(now);
          }
          granted.forEach((from, i) => {
            granted.slice(i).forEach((to, more) => {
              expect(more + 1).toBeLessThanOrEqual(burst + ((to - from) * perSecond) / 1_000 + 1e-6);
            });
          });
        },
      ),
    );
  });

  it('grants again after the wait it names', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000 }), fc.integer({ min: 1, max: 50 }), (perSecond, burst) => {
        const buckets = new TokenBuckets(1);
        for (let n = 0; n < burst; n += 1) expect(buckets.take('a', { perSecond, burst }, 5)).toBe(0);
        const wait = buckets.take('a', { perSecond, burst }, 5);
        expect(wait).toBeGreaterThan(0);
        expect(buckets.take('a', { perSecond, burst }, 5 + wait + 1e-3)).toBe(0);
      }),
    );
  });
});
