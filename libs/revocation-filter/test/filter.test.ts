import { randomBytes } from 'node:crypto';
import { encodeHex, parseHex } from '@margo-trust/bytes';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildInSteps,
  buildRevocationFilter,
  type FilterContent,
  FilterFault,
  FilterKeys,
  openRevocationFilter,
} from '@margo-trust/revocation-filter';

const CA = parseHex('00112233445566778899aabbccddeeff00112233');
const OTHER = parseHex('ff112233445566778899aabbccddeeff00112233');
const SALT = new Uint8Array(16).fill(7);
const serial = (n: number) => parseHex(`40${n.toString(16).padStart(30, '0')}`);

function content(issued: number, isRevoked: (n: number) => boolean, salt = SALT): FilterContent {
  const [revoked, valid] = [new FilterKeys(), new FilterKeys()];
  for (let n = 0; n < issued; n += 1) (isRevoked(n) ? revoked : valid).add(CA, serial(n));
  return { origin: 'log.example', logSize: issued, issuers: [OTHER, CA], salt, revoked, valid };
}

describe('a revocation filter', () => {
  it('answers for every certificate without error, whatever the share that is revoked', () => {
    for (const [issued, every] of [
      [0, 1],
      [1, 1],
      [1, 2],
      [2, 1],
      [5_000, 1],
      [5_000, 2],
      [20_000, 7],
      [20_000, 100],
      [20_000, 19_999],
    ] as const) {
      const isRevoked = (n: number) => n % every === every - 1;
      const filter = openRevocationFilter(buildRevocationFilter(content(issued, isRevoked)));
      const wrong = Array.from({ length: issued }, (_, n) => n).filter(
        (n) => filter.isRevoked(CA, serial(n)) !== isRevoked(n),
      );
      expect(wrong, `${issued} with one in ${every}`).toEqual([]);
      expect(filter.issued).toBe(issued);
    }
  });

  it('is made in short steps for whoever has other things to do', () => {
    const all = content(60_000, (n) => n % 100 === 0);
    const steps = buildInSteps(all);
    let count = 0;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) count += 1;
    expect(step.value).toEqual(buildRevocationFilter(all));
    expect(count).toBeGreaterThanOrEqual(4); // those of the first level alone
  });

  it('is exact for any sets and salts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { maxLength: 300 }),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (flags, salt) => {
          const filter = openRevocationFilter(
            buildRevocationFilter(content(flags.length, (n) => flags[n] === true, salt)),
          );
          expect(flags.map((_, n) => filter.isRevoked(CA, serial(n)))).toEqual(flags);
        },
      ),
    );
  });

  it('needs less than 20 bits for each revoked certificate of a hundred', () => {
    const bytes = buildRevocationFilter(content(100_000, (n) => n % 100 === 0));
    expect((bytes.length * 8) / 1_000).toBeLessThan(20);
  });

  it('is the same file for the same content, and another one with another salt', () => {
    const one = () => buildRevocationFilter(content(1_000, (n) => n % 9 === 0));
    expect(one()).toEqual(one());
    expect(one()).not.toEqual(
      buildRevocationFilter(content(1_000, (n) => n % 9 === 0, new Uint8Array(randomBytes(16)))),
    );
  });

  // Made with this code and checked by hand against docs/formats.md: a change of these bytes is a change of the format.
  it('has the documented layout', () => {
    const bytes = buildRevocationFilter(content(3, (n) => n === 1));
    expect(encodeHex(bytes.subarray(0, 4 + 1 + 16 + 24 + 1 + 11 + 1))).toBe(
      `4d524601${'01'}${'07'.repeat(16)}${'0000000000000003'}${'0000000000000003'}${'0000000000000001'}` +
        `0b${encodeHex(new TextEncoder().encode('log.example'))}02`,
    );
    expect(encodeHex(bytes.subarray(58, 58 + 42))).toBe(`14${encodeHex(CA)}14${encodeHex(OTHER)}`);
    expect(encodeHex(bytes.subarray(100))).toMatchInlineSnapshot(`"01020000000884"`);
  });

  it('says what it is about', () => {
    const filter = openRevocationFilter(buildRevocationFilter(content(50, (n) => n < 3)));
    expect(filter).toMatchObject({ origin: 'log.example', logSize: 50, issued: 50, revoked: 3 });
    expect([filter.covers(CA), filter.covers(OTHER), filter.covers(SALT)]).toEqual([true, true, false]);
  });

  it('tells the same serial numbers of two CAs apart', () => {
    const [revoked, valid] = [new FilterKeys(), new FilterKeys()];
    for (let n = 0; n < 200; n += 1) {
      revoked.add(CA, serial(n));
      valid.add(OTHER, serial(n));
    }
    const filter = openRevocationFilter(
      buildRevocationFilter({ origin: 'o', logSize: 400, issuers: [CA, OTHER], salt: SALT, revoked, valid }),
    );
    for (let n = 0; n < 200; n += 1) {
      expect([filter.isRevoked(CA, serial(n)), filter.isRevoked(OTHER, serial(n))]).toEqual([true, false]);
    }
  });

  it('reads in place, wherever the bytes lie', () => {
    const bytes = buildRevocationFilter(content(500, (n) => n % 5 === 0));
    const around = new Uint8Array(bytes.length + 10).fill(0xff);
    around.set(bytes, 3);
    const filter = openRevocationFilter(around.subarray(3, 3 + bytes.length));
    for (let n = 0; n < 500; n += 1) expect(filter.isRevoked(CA, serial(n))).toBe(n % 5 === 0);
  });

  it('refuses content that contradicts itself', () => {
    const both = content(4, (n) => n === 1);
    both.valid.add(CA, serial(1));
    const refusal = (change: Partial<FilterContent>) => () => buildRevocationFilter({ ...both, ...change });
    const bad = expect.objectContaining({ code: 'filter/bad-input' }) as Error;
    for (const change of [
      {},
      { salt: SALT.subarray(1) },
      { origin: '' },
      { logSize: -1 },
      { issuers: [CA, CA] },
      { issuers: [new Uint8Array(65)] },
    ]) {
      expect(refusal(change)).toThrow(bad);
    }
    expect(() => both.valid.add(CA, new Uint8Array(21))).toThrow(bad);
    expect(() => both.valid.add(new Uint8Array(0), SALT)).toThrow(bad);
  });

  it('refuses, or answers to, any bytes', () => {
    const good = buildRevocationFilter(content(300, (n) => n % 3 === 0));
    for (let length = 0; length < good.length; length += 1) {
      expect(() => openRevocationFilter(good.subarray(0, length))).toThrow(FilterFault);
    }
    expect(() => openRevocationFilter(Uint8Array.of(...good, 0))).toThrow(FilterFault);
    const open = (bytes: Uint8Array) => {
      try {
        return openRevocationFilter(bytes).isRevoked(CA, SALT);
      } catch (error) {
        if (!(error instanceof FilterFault)) throw error;
        return undefined;
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void open(bytes)));
    fc.assert(
      fc.property(fc.nat({ max: good.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = good.slice();
        damaged[at]! ^= change;
        open(damaged);
      }),
      { numRuns: 2_000 },
    );
  });
});
