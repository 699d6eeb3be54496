import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BytesFault, encodeUtf8, parseJson } from '../src/index.ts';
import { fault } from './expect.ts';

describe('parseJson', () => {
  it('gives what JSON.parse gives, for bytes and text', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(parseJson(text)).toEqual(JSON.parse(text));
        expect(parseJson(encodeUtf8(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it('accepts the deepest document allowed and refuses the next', () => {
    expect(parseJson('['.repeat(32) + ']'.repeat(32))).toBeInstanceOf(Array);
    expect(() => parseJson('['.repeat(33) + ']'.repeat(33))).toThrow(fault('bytes/too-deep'));
    expect(() => parseJson('{"a":{"b":1}}', { maxDepth: 1 })).toThrow(fault('bytes/too-deep'));
  });

  it('is not fooled by brackets in strings', () => {
    const value = { a: ']][[{{', 'b"': '\\"[', '\\': '[' };
    expect(parseJson(JSON.stringify(value), { maxDepth: 1 })).toEqual(value);
  });

  it.each(['{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '[{"x":{"b":1,"c":[{"b":1}],"b":2}}]', '{"":1,"":2}'])(
    'refuses the repeated member in %s',
    (text) => {
      expect(() => parseJson(text)).toThrow(fault('bytes/duplicate-key'));
    },
  );

  it('allows one name in different objects', () => {
    expect(parseJson('{"a":{"a":[{"a":1},{"a":2}]}}')).toEqual({ a: { a: [{ a: 1 }, { a: 2 }] } });
  });

  it('keeps a member called __proto__ as data', () => {
    expect(Object.keys(parseJson('{"__proto__":{"admin":true}}') as object)).toEqual(['__proto__']);
  });

  it.each(['', '{', '"', '"\\', '{"a" 1}', '[1,]', '\ufeff{}', ':::', ']', "{'a':1}", 'NaN'])('refuses %j', (text) => {
    expect(() => parseJson(text)).toThrow(fault('bytes/bad-json'));
  });

  it('refuses a document above the limit, and text that is not UTF-8', () => {
    expect(() => parseJson('[1,2,3]', { maxBytes: 6 })).toThrow(fault('bytes/too-large'));
    expect(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22))).toThrow(fault('bytes/bad-utf8'));
  });

  it('throws nothing but faults, whatever it is given', () => {
    const unit = fc.constantFrom(...'{}[]:,"\\u0061 1');
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 30 }), (text) => {
        try {
          parseJson(text);
        } catch (error) {
          expect(error).toBeInstanceOf(BytesFault);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    '{'.repeat(65_536),
    '"'.repeat(65_536),
    ':'.repeat(65_536),
    '\\'.repeat(65_536),
    '"\\u0061":'.repeat(6_000),
  ])('answers quickly to 64 KiB of the same', (text) => {
    // The best of three: a busy machine is not a slow parser.
    const times = [1, 2, 3].map(() => {
      const start = performance.now();
      expect(() => parseJson(text)).toThrow(BytesFault);
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(1_000); // no hang: quadratic work would take longer
  });
});
