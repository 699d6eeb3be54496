import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findPatternFlaw, isSubjectOf, literalPrefix } from '../src/index.ts';

describe('findPatternFlaw', () => {
  it.each([
    'repo:acme/app:ref:refs/heads/main',
    'repo:acme/app:ref:refs/tags/v*',
    'repo:acme/app:ref:refs/heads/release/*',
    'repo:acme/app:environment:release',
    'repo:acme/app:environment:release-*',
    'repo:acme/app:environment:Line 3',
    'repo:acme@101/app@202:ref:refs/heads/main', // with immutable ids
    'project_path:acme/app:ref_type:branch:ref:main',
    'project_path:acme/tools/app:ref_type:tag:ref:v*',
    'organization:acme:pipeline:app:ref:refs/heads/main:commit:*:step:build', // Buildkite
    'org/0a1b/project/2c3d/user/*', // CircleCI
    'system:serviceaccount:ci:builder',
    'victor',
  ])('lets %s be bound', (pattern) => {
    expect(findPatternFlaw(pattern)).toBeUndefined();
  });

  it.each([
    ['*', /too many/],
    ['repo:*', /too many/],
    ['repo:acme/*', /too many/],
    ['repo:acme/app*:ref:refs/heads/main', /too many/],
    ['repo:*/app:ref:refs/heads/main', /too many/],
    ['repo:acme/app:*', /too many/],
    ['repo:acme/app:ref:*', /too many/],
    ['repo:acme/app:ref:refs/*', /too many/],
    ['repo:acme/app:ref:refs/heads/*', /too many/],
    ['repo:acme/app:ref:refs/tags/*', /too many/],
    ['repo:acme/app:environment:*', /too many/],
    ['repo:acme/app:pull_request', /pull request/],
    ['pull_request', /pull request/],
    ['project_path:acme/*:ref_type:branch:ref:main', /too many/],
    ['project_path:acme/app:ref_type:*:ref:main', /too many/],
    ['project_path:acme/app:ref_type:branch:ref:*', /too many/],
    ['org/0a1b/project/*', /too many/],
    ['system:serviceaccount:ci:*', /too many/],
    ['repo:ac*me/app:ref:refs/heads/main', /end of a segment/],
    ['repo:acme/app:ref:refs/tags/*-rc', /end of a segment/],
    ['repo:acme/app:ref:refs/tags/v**', /end of a segment/],
    ['', /1 to 500/],
    ['space ', /1 to 500/],
    ['ümlaut', /1 to 500/],
    ['line\nbreak', /1 to 500/],
    ['x'.repeat(501), /1 to 500/],
  ])('refuses %j', (pattern, reason) => {
    expect(findPatternFlaw(pattern)).toMatch(reason);
  });
});

describe('isSubjectOf', () => {
  it.each([
    ['repo:acme/app:ref:refs/tags/v*', 'repo:acme/app:ref:refs/tags/v1.2.3', true],
    ['repo:acme/app:ref:refs/tags/v*', 'repo:acme/app:ref:refs/tags/v', false],
    ['repo:acme/app:ref:refs/tags/v*', 'repo:acme/app:ref:refs/tags/v1/x', false],
    ['repo:acme/app:ref:refs/tags/v*', 'repo:acme/app:ref:refs/tags/v1:x', false],
    ['repo:acme/app:ref:refs/tags/v*', 'xrepo:acme/app:ref:refs/tags/v1', false],
    ['repo:acme/app:ref:refs/tags/v*', 'repo:acme/app:ref:refs/tags/v1\n', false],
    ['repo:acme/app:ref:refs/heads/main', 'repo:acme/app:ref:refs/heads/main', true],
    ['repo:acme/app:ref:refs/heads/main', 'repo:Acme/app:ref:refs/heads/main', false],
    ['repo:acme/a.p:ref:refs/heads/main', 'repo:acme/axp:ref:refs/heads/main', false],
    ['a:b:c:d:commit:*:step:build', 'a:b:c:d:commit:0a1b:step:build', true],
    ['a:b:c:d:commit:*:step:build', 'a:b:c:d:commit:0a:1b:step:build', false],
  ])('%s and %j: %s', (pattern, subject, expected) => {
    expect(isSubjectOf(pattern, subject)).toBe(expected);
  });

  it('takes a pattern without * to the letter, whatever is in it', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('*')),
        fc.string(),
        (pattern, other) => {
          expect(isSubjectOf(pattern, pattern)).toBe(true);
          expect(isSubjectOf(pattern, other)).toBe(other === pattern);
        },
      ),
    );
  });

  it('agrees with comparing segment by segment, and with the prefix that is searched for', () => {
    const part = fc.constantFrom('a', 'ab', 'b', '.', 'a*', '*');
    const pattern = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(':'));
    const subject = fc.array(fc.constantFrom('a', 'ab', 'b', 'x', '.', 'a/b'), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(pattern, subject, (wanted, parts) => {
        const text = parts.join(':');
        const expected = reference(wanted, text);
        expect(isSubjectOf(wanted, text)).toBe(expected);
        if (expected) expect(text.startsWith(literalPrefix(wanted))).toBe(true);
      }),
    );
  });

  it('answers at once for long hostile subjects', () => {
    expect(isSubjectOf('a:b:c:d:*:*:*:*:*:x', `a:b:c:d:${'y'.repeat(900)}`)).toBe(false);
    expect(isSubjectOf('a:b:c:d:*', `a:b:c:d:${'y'.repeat(100_000)}`)).toBe(false);
  });
});

/** Slow, and obviously right. */
function reference(pattern: string, subject: string): boolean {
  const wanted = pattern.split(/([:/])/);
  const found = subject.split(/([:/])/);
  if (wanted.length !== found.length) return false;
  return wanted.every((part, i) => {
    const text = found[i] ?? '';
    if (!part.endsWith('*')) return part === text;
    const stem = part.slice(0, -1);
    return text.startsWith(stem) && text.length > stem.length;
  });
}
