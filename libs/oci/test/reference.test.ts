import { describe, expect, it } from 'vitest';
import { encodeReference, parseReference } from '../src/index.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

describe('parseReference', () => {
  it.each([
    [
      'registry.example/acme/app:1.0',
      { kind: 'registry', registry: 'registry.example', repository: 'acme/app', tag: '1.0' },
    ],
    [
      'oci://registry.example/acme/app:1.0',
      { kind: 'registry', registry: 'registry.example', repository: 'acme/app', tag: '1.0' },
    ],
    [
      `localhost:5000/app@${DIGEST}`,
      { kind: 'registry', registry: 'localhost:5000', repository: 'app', digest: DIGEST },
    ],
    ['redis', { kind: 'registry', registry: 'docker.io', repository: 'library/redis' }],
    ['layout:./out', { kind: 'layout', path: './out' }],
    ['layout:/a/b:1.0', { kind: 'layout', path: '/a/b', tag: '1.0' }],
    [`layout:C:/a:1.0@${DIGEST}`, { kind: 'layout', path: 'C:/a', tag: '1.0', digest: DIGEST }],
    ['layout:a:b/c', { kind: 'layout', path: 'a:b/c' }],
    [`layout:a@b@${DIGEST}`, { kind: 'layout', path: 'a@b', digest: DIGEST }],
  ])('reads %s', (text, reference) => {
    const parsed = parseReference(text);
    expect(parsed).toEqual(reference);
    expect(parseReference(encodeReference(parsed))).toEqual(parsed);
  });

  it.each([
    '',
    'layout:',
    `layout:@${DIGEST}`,
    'http://registry.example/a',
    'registry.example/../a',
    'a b',
    'registry.example/A',
  ])('refuses %j', (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'oci/bad-reference' }));
  });
});
