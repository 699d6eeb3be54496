import { describe, expect, it } from 'vitest';
import { agoWords, dateWords, labelWords, listWords, plural, shortened, sizeWords } from './words.ts';

const now = new Date('2026-11-25T21:30:00Z');
const before = (seconds: number) => new Date(now.getTime() - seconds * 1000);

describe('agoWords', () => {
  it.each([
    [0, 'just now'],
    [-60, 'just now'],
    [59, '59 seconds ago'],
    [60, '1 minute ago'],
    [3 * 60 + 59, '3 minutes ago'],
    [3600, '1 hour ago'],
    [47 * 3600, '1 day ago'],
    [40 * 86400, '1 month ago'],
    [800 * 86400, '2 years ago'],
  ])('says %i seconds as %j', (seconds, words) => {
    expect(agoWords(before(seconds), now)).toBe(words);
  });

  it('does not hide a time that lies in the future', () => {
    expect(agoWords(before(-3600), now)).toContain('future');
  });
});

it('writes dates in UTC', () => {
  expect(dateWords(now)).toBe('25 November 2026, 21:30 UTC');
  expect(dateWords(new Date('2026-01-01T00:05:00Z'))).toBe('1 January 2026, 00:05 UTC');
});

it('groups and inflects counts', () => {
  expect(plural(1, 'entry', 'entries')).toBe('1 entry');
  expect(plural(1204n, 'entry', 'entries')).toBe('1,204 entries');
});

it('gives sizes by thousands', () => {
  expect([1, 999, 1000, 12345, 999999, 123456789].map(sizeWords)).toEqual([
    '1 byte',
    '999 bytes',
    '1.0 kB',
    '12.3 kB',
    '1000 kB',
    '123 MB',
  ]);
});

it('shortens only what is too long', () => {
  expect(shortened('sha256:0123', 8, 4)).toBe('sha256:0123');
  expect(shortened('sha256:0123456789abcdef', 10, 4)).toBe('sha256:012…cdef');
});

it('turns member names into labels and lists into phrases', () => {
  expect(labelWords('applicationIdPrefixes')).toBe('Application id prefixes');
  expect(labelWords('ociNamespaces')).toBe('OCI namespaces');
  expect(labelWords('ST')).toBe('ST');
  expect(labelWords('vendor-admitted')).toBe('Vendor admitted');
  expect(listWords([])).toBe('');
  expect(listWords(['a', 'b', 'c'])).toBe('a, b and c');
});
