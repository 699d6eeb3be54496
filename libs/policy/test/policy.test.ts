import { encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { CONTENT } from '@margo-trust/statement';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  describeRegistrationPolicy,
  encodeRegistrationPolicy,
  FOUNDING_POLICY,
  parseRegistrationPolicy,
  readRegistrationPolicy,
} from '../src/index.ts';

const document = () => JSON.parse(parseUtf8(encodeRegistrationPolicy(FOUNDING_POLICY))) as Record<string, unknown>;

describe('a registration policy', () => {
  it('reads back as written, the same policy always in the same bytes', () => {
    const policy = {
      ...FOUNDING_POLICY,
      version: 7,
      statements: [...FOUNDING_POLICY.statements, { contentType: 'application/spdx+json', payload: 'opaque' as const }],
    };
    const bytes = encodeRegistrationPolicy(policy);
    expect(parseRegistrationPolicy(bytes)).toEqual(policy);
    expect(encodeRegistrationPolicy(parseRegistrationPolicy(bytes))).toEqual(bytes);
    expect(readRegistrationPolicy(describeRegistrationPolicy(policy))).toEqual(policy);
  });

  it('is read as it was logged before policies could change', () => {
    const first = {
      type: 'margo.registration-policy.v1',
      algorithms: ['ES256', 'PS256'],
      contentTypes: [CONTENT.release],
      maxStatementBytes: 1_048_576,
      checks: ['…'],
    };
    expect(parseRegistrationPolicy(JSON.stringify(first))).toEqual({
      ...FOUNDING_POLICY,
      algorithms: ['ES256', 'PS256'],
      statements: [{ contentType: CONTENT.release, payload: 'margo-release' }],
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ['a member that nobody knows', { extra: 1 }],
    ['no algorithm', { algorithms: [] }],
    ['an algorithm twice', { algorithms: ['ES256', 'ES256'] }],
    ['an algorithm outside the profile', { algorithms: ['RS256'] }],
    ['the name of a method as algorithm', { algorithms: ['toString'] }],
    ['version 0', { version: 0 }],
    ['half a version', { version: 1.5 }],
    ['a version beyond what a number counts', { version: 2 ** 53 }],
    ['no statements', { statements: [] }],
    [
      '33 statements',
      { statements: Array.from({ length: 33 }, (_, i) => ({ contentType: `a/${i}`, payload: 'opaque' })) },
    ],
    ['a release that nobody looks into', { statements: [{ contentType: CONTENT.release, payload: 'opaque' }] }],
    ['a schema without a parser', { statements: [{ contentType: 'a/b', payload: 'spdx' }] }],
    ['the registry’s own records', { statements: [{ contentType: CONTENT.record, payload: 'opaque' }] }],
    ['policies from vendors', { statements: [{ contentType: CONTENT.policy, payload: 'opaque' }] }],
    ['a content type twice', { statements: [1, 2].map(() => ({ contentType: 'a/b', payload: 'opaque' })) }],
    [
      'a content type in capitals',
      { statements: [{ contentType: 'Application/vnd.margo.trust.record.v1+json', payload: 'opaque' }] },
    ],
    ['other anchors', { anchors: 'any' }],
    ['vendors in any standing', { vendors: 'any' }],
    ['a claim that is not checked anywhere', { claims: ['country'] }],
    ['statements of more than a mebibyte', { maxStatementBytes: 1_048_577 }],
    ['statements of nothing', { maxStatementBytes: 0 }],
    ['a rate of none', { vendorRate: { perSecond: 0, burst: 1 } }],
    ['a rate without burst', { vendorRate: { perSecond: 1 } }],
    ['a rate without end', { vendorRate: { perSecond: 1, burst: Infinity } }],
  ])('refuses %s', (_what, change) => {
    const text = JSON.stringify({ ...document(), ...change });
    expect(() => parseRegistrationPolicy(text)).toThrow(expect.objectContaining({ code: 'policy/malformed' }));
  });

  it.each(Object.keys(document()))('refuses one without "%s"', (member) => {
    const { [member]: _, ...others } = document();
    expect(() => readRegistrationPolicy(others)).toThrow(expect.objectContaining({ name: 'PolicyFault' }));
  });

  it('says so when it is of a type of a later day', () => {
    const later = { ...document(), type: 'margo.registration-policy.v3' };
    expect(() => readRegistrationPolicy(later)).toThrow(expect.objectContaining({ code: 'policy/unknown-type' }));
  });

  it('answers anything with a value or a fault', () => {
    const check = (input: Uint8Array | string) => {
      try {
        const policy = parseRegistrationPolicy(input);
        expect(parseRegistrationPolicy(encodeRegistrationPolicy(policy))).toEqual(policy);
      } catch (error) {
        expect(error).toBeInstanceOf(Fault);
      }
    };
    const text = parseUtf8(encodeRegistrationPolicy(FOUNDING_POLICY));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check));
    fc.assert(fc.property(fc.json(), check));
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(3), fc.string({ maxLength: 5 }), (at, drop, put) =>
        check(text.slice(0, at) + put + text.slice(at + drop)),
      ),
      { numRuns: 2_000 },
    );
    check(encodeUtf8(' '.repeat(65_537)));
  });
});
