import { describe, expect, it } from 'vitest';
import { parseRoute } from './router.ts';

describe('parseRoute', () => {
  it.each([
    ['/', '', { page: 'explorer', query: '', show: 'all' }],
    ['/', '?q=nextcloud', { page: 'explorer', query: 'nextcloud', show: 'all' }],
    ['/', '?show=release', { page: 'explorer', query: '', show: 'release' }],
    ['/', '?show=else', { page: 'explorer', query: '', show: 'all' }],
    ['/log', '', { page: 'log' }],
    ['/log/', '', { page: 'log' }],
    ['/entry/12', '', { page: 'entry', id: '12' }],
    [
      '/entry/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU',
      '',
      { page: 'entry', id: '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU' },
    ],
    ['/vendor/01KB3S4C7PXKQ6JX5E9V8W2M3N', '', { page: 'vendor', id: '01kb3s4c7pxkq6jx5e9v8w2m3n' }],
  ])('finds the page of %s%s', (path, search, route) => {
    expect(parseRoute(path, search)).toEqual(route);
  });

  it.each(['/log/checkpoint', '/entry', '/entry/x', '/entry/1/2', '/vendor/short', '/docs', '/api/v1/log', '//'])(
    'leaves %s to others',
    (path) => {
      expect(parseRoute(path).page).toBe(path === '//' ? 'explorer' : 'not-found');
    },
  );
});
