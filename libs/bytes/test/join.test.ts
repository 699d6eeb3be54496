import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { areEqualBytes, compareBytes, concatBytes } from '../src/index.ts';

describe('joining and comparing', () => {
  it('agrees with Buffer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4, max: 3 }), fc.uint8Array({ maxLength: 4, max: 3 }), (a, b) => {
        expect(concatBytes(a, b)).toEqual(new Uint8Array(Buffer.concat([a, b])));
        expect(areEqualBytes(a, b)).toBe(Buffer.from(a).equals(b));
        expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
      }),
    );
  });

  it('makes an empty array of nothing', () => {
    expect(concatBytes()).toEqual(new Uint8Array());
  });
});
