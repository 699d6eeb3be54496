import { canonicalize } from '@tufjs/canonical-json';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeCanonicalJson, type CanonicalJson } from '@margo-trust/tuf';
import { text } from './simulator.ts';

describe('encodeCanonicalJson', () => {
  it('sorts members, adds no space and escapes only the quote and the backslash', () => {
    expect(encodeCanonicalJson({ b: [1, true, null], a: 'say "\\"\nnow', A: {} })).toEqual(
      text('{"A":{},"a":"say \\"\\\\\\"\nnow","b":[1,true,null]}'),
    );
  });

  it('agrees with tuf-js on every ASCII value', () => {
    const ascii = fc.string({ unit: 'binary-ascii' });
    const { value } = fc.letrec<{ value: CanonicalJson }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        ascii,
        fc.maxSafeInteger(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(ascii, tie('value'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(value, (v) => {
        expect(encodeCanonicalJson(v)).toEqual(text(canonicalize(v)));
      }),
    );
  });

  it.each([
    { what: 'text beyond ASCII', value: 'ü' },
    { what: 'a member name beyond ASCII', value: { ü: 1 } },
    { what: 'a fraction', value: 0.5 },
    { what: 'an integer beyond 2^53', value: 2 ** 53 },
    { what: 'NaN', value: NaN },
    { what: 'undefined', value: { a: undefined } as unknown as CanonicalJson },
  ])('refuses $what', ({ value }) => {
    expect(() => encodeCanonicalJson(value)).toThrow(expect.objectContaining({ code: 'tuf/not-canonical' }));
  });
});
