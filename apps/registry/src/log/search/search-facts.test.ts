import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK, commonPlaces, encodePlaces, factsOf } from './search-facts.ts';

const places = fc.uniqueArray(fc.nat(BLOCK - 1), { maxLength: BLOCK }).map((list) => list.sort((a, b) => a - b));

describe('sets of search', () => {
  it('have in common what lists have in common, highest first', () => {
    fc.assert(
      fc.property(fc.array(places, { minLength: 1, maxLength: 4 }), ([first = [], ...others]) => {
        const expected = first.filter((place) => others.every((list) => list.includes(place))).reverse();
        expect(commonPlaces([first, ...others].map(encodePlaces))).toEqual(expected);
      }),
    );
  });

  it('are never longer than a bit for each place', () => {
    for (const count of [0, 1, 255, 256, BLOCK]) {
      const all = Array.from({ length: count }, (_, i) => i);
      expect(encodePlaces(all).length).toBeLessThanOrEqual(BLOCK / 8);
      expect(commonPlaces([encodePlaces(all)])).toEqual(all.reverse());
    }
  });
});

describe('facts', () => {
  it('differ by kind as by value, and stand still', () => {
    const ids = [
      ...factsOf({ vendorId: 'a' }, []),
      ...factsOf({ applicationId: 'a' }, []),
      ...factsOf({ version: 'a' }, ['a', 'b']),
    ];
    expect(new Set(ids).size).toBe(5);
    // Sets outlive the program that wrote them.
    expect(factsOf({ vendorId: 'acme' }, [])).toEqual(['392305698691810438']);
  });
});
