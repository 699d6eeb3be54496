import { describe, expect, it } from 'vitest';
import { directAddress, parseQuery, parseSearch } from './search.ts';

const hex = 'ab'.repeat(32);

describe('parseQuery', () => {
  it.each([
    ['', { kind: 'empty' }],
    ['  ', { kind: 'empty' }],
    ['0', { kind: 'index', index: 0 }],
    ['#12', { kind: 'index', index: 12 }],
    ['1,204', { kind: 'index', index: 1204 }],
    ['1 204 000', { kind: 'index', index: 1204000 }],
    [`sha256:${hex}`, { kind: 'digest', digest: `sha256:${hex}` }],
    [hex.toUpperCase(), { kind: 'digest', digest: `sha256:${hex}` }],
    [`reg.example:5000/a/b@sha256:${hex}`, { kind: 'digest', digest: `sha256:${hex}` }],
    ['01KB3S4C7PXKQ6JX5E9V8W2M3N', { kind: 'vendor', id: '01kb3s4c7pxkq6jx5e9v8w2m3n' }],
    [
      'https://01kb3s4c7pxkq6jx5e9v8w2m3n.vendors.registry.localhost/',
      { kind: 'vendor', id: '01kb3s4c7pxkq6jx5e9v8w2m3n' },
    ],
    ['vendor:01kb3s4c7pxkq6jx5e9v8w2m3n', { kind: 'vendor', id: '01kb3s4c7pxkq6jx5e9v8w2m3n' }],
    [
      '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU',
      { kind: 'entryId', entryId: '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU' },
    ],
    ['41:0a'.padEnd(47, ':0b'), { kind: 'serial', serial: '410a' + '0b'.repeat(14) }],
    ['5f'.repeat(16).toUpperCase(), { kind: 'serial', serial: '5f'.repeat(16) }],
    ['registry.example/northstar/app:1.0', { kind: 'reference', reference: 'registry.example/northstar/app:1.0' }],
    ['northstar/app', { kind: 'reference', reference: 'northstar/app' }],
    ['com-northstartida-hello-world', { kind: 'applicationId', applicationId: 'com-northstartida-hello-world' }],
    ['com.example.app', { kind: 'applicationId', applicationId: 'com.example.app' }],
    ['Northstar Industrial', { kind: 'text', text: 'Northstar Industrial' }],
    ['nextcloud', { kind: 'text', text: 'nextcloud' }],
  ])('reads %j', (typed, query) => {
    expect(parseQuery(typed)).toEqual(query);
  });

  it('takes 43 characters that do not decode to 32 bytes for words', () => {
    expect(parseQuery('a'.repeat(42) + 'B').kind).toBe('text'); // last character carries bits that base64url must leave zero
  });
});

describe('directAddress', () => {
  it('leads to a page when the query names one thing', () => {
    expect(directAddress({ kind: 'index', index: 7 })).toBe('/entry/7');
    expect(directAddress({ kind: 'vendor', id: 'x' })).toBe('/vendor/x');
    expect(directAddress({ kind: 'text', text: 'x' })).toBeUndefined();
  });
});

describe('parseSearch', () => {
  it.each([
    ['com.example.app version:1.2.0', { version: '1.2.0' }, 'com.example.app'],
    ['since:2026-11-01 until:2026-11-30', { since: '2026-11-01T00:00:00Z', until: '2026-12-01T00:00:00Z' }, ''],
    ['a version:2 b', { version: '2' }, 'a b'],
    ['since:2026-02-30', {}, 'since:2026-02-30'],
    ['since:yesterday', {}, 'since:yesterday'],
    ['version:1 version:2', { version: '1' }, 'version:2'],
    ['conversion:1', {}, 'conversion:1'],
  ])('reads %j', (typed, bounds, words) => {
    const found = parseSearch(typed);
    expect({ ...found, words: found.words.replace(/\s+/g, ' ') }).toMatchObject({ bounds, words });
  });

  it('keeps what is left for what it is', () => {
    expect(parseSearch('com.example.app version:1').query).toEqual({
      kind: 'applicationId',
      applicationId: 'com.example.app',
    });
    expect(parseSearch('since:2026-11-01').query).toEqual({ kind: 'empty' });
  });

  it('lists what a vendor registered within bounds instead of showing the vendor', () => {
    const { query, bounds } = parseSearch('vendor:01kb3s4c7pxkq6jx5e9v8w2m3n since:2026-11-01');
    expect(directAddress(query)).toBe('/vendor/01kb3s4c7pxkq6jx5e9v8w2m3n');
    expect(directAddress(query, bounds)).toBeUndefined();
  });
});
