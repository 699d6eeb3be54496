import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { isNetwork, networkOf } from './networks.ts';
import { RateLimitFault } from './rate-limit.fault.ts';
import { RateLimits } from './rate-limits.ts';

const one = { perSecond: 1, burst: 1 };
const none: readonly string[] = [];

describe('RateLimits', () => {
  /** Asks for each in turn; 'in', or the code of the refusal. */
  const ask = (limits: RateLimits, ...calls: { path?: string; method?: string; from?: string; via?: string }[]) =>
    calls.map(({ path = '/entries', method = 'POST', from = '192.0.2.1', via }) => {
      const headers = via === undefined ? {} : { 'x-forwarded-for': via };
      try {
        limits.check(path, { method, headers, socket: { remoteAddress: from } } as unknown as IncomingMessage);
        return 'in';
      } catch (error) {
        return (error as RateLimitFault).code;
      }
    });
  const limited = (change: Partial<ConstructorParameters<typeof RateLimits>[0]> = {}) =>
    new RateLimits({ registrationRate: one, searchRate: one, trustedProxies: none, ...change });
  const refused = 'registration/rate-limited';

  it('counts addresses apart, and says when to come back', () => {
    const limits = limited();
    expect(ask(limits, {}, {}, { from: '192.0.2.2' })).toEqual(['in', refused, 'in']);
    expect(() =>
      limits.check('/entries', { method: 'POST', headers: {}, socket: { remoteAddress: '192.0.2.1' } } as never),
    ).toThrow(
      expect.objectContaining({
        retryAfterSeconds: 1,
        headers: { 'RateLimit-Policy': '"address";q=1;w=1', RateLimit: '"address";r=0;t=1' },
      }),
    );
  });

  it.each(['/entries', '/entries/', '/ENTRIES', '/%65ntries', '/api/v2/log/entries', '/tsa', '//entries', '/x'])(
    'takes a post to %s for a registration',
    (path) => {
      expect(ask(limited(), { path }, {})).toEqual(['in', refused]);
    },
  );

  it('lets people work, and reads of files pass', () => {
    const path = '/api/v1/vendors';
    expect(ask(limited(), { path }, { path }, { path: '/entries', method: 'GET' }, {})).toEqual([
      'in',
      'in',
      'in',
      'in',
    ]);
    const tile = { path: '/log/tile/0/000', method: 'GET' };
    expect(ask(limited(), tile, tile, tile)).toEqual(['in', 'in', 'in']);
  });

  it.each(['/api/v1/log/entries', '/api/v1/log/%65ntries/0', '/API/v1/log/entries', '/log/evidence/000', '/log/seals'])(
    'counts %s as a search',
    (path) => {
      const search = { path, method: 'GET' };
      expect(ask(limited(), search, search, {})).toEqual(['in', 'http/rate-limited', 'in']);
    },
  );

  it('limits nothing when it is off', () => {
    const limits = limited({ registrationRate: undefined, searchRate: undefined });
    expect(ask(limits, {}, {}, { path: '/log/seals', method: 'GET' }, { path: '/log/seals', method: 'GET' })).toEqual([
      ...['in', 'in', 'in', 'in'],
    ]);
  });

  it('believes X-Forwarded-For of its own proxies only', () => {
    expect(ask(limited(), { via: '198.51.100.1' }, { via: '198.51.100.2' })).toEqual(['in', refused]);
    const behind = () => limited({ trustedProxies: ['10.0.0.0/8', '::1'] });
    const from = '10.1.2.3';
    expect(ask(behind(), { from, via: '198.51.100.1' }, { from, via: '198.51.100.2' })).toEqual(['in', 'in']);
    expect(ask(behind(), { from, via: '198.51.100.1' }, { from: '::1', via: '198.51.100.1' })).toEqual(['in', refused]);
    // The caller wrote the first one; the proxy added what it saw.
    const [first, second] = [
      { from, via: '203.0.113.7, 198.51.100.1' },
      { from, via: '203.0.113.8, 198.51.100.1' },
    ];
    expect(ask(behind(), first, second)).toEqual(['in', refused]);
    const chained = { from, via: '198.51.100.9, 10.9.9.9' };
    expect(ask(behind(), chained, { from, via: '198.51.100.9' })).toEqual(['in', refused]);
    expect(ask(behind(), { from: '::ffff:10.1.2.3', via: '198.51.100.1' }, { from, via: '198.51.100.1' })).toEqual([
      ...['in', refused],
    ]);
    expect(ask(behind(), { from, via: 'nonsense' }, { from, via: '' }, { from })).toEqual(['in', refused, refused]);
  });
});

describe('networks', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
    ['2001:0DB8:0001:0002::7', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ])('take %s for %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it.each([
    ['10.0.0.0/8', true],
    ['::1', true],
    ['2001:db8::/32', true],
    ['10.0.0.0/33', false],
    ['10.0.0.0/', false],
    ['10.0.0.0/8/8', false],
    ['proxy.example', false],
    ['', false],
  ])('know whether %s is one: %s', (text, isOne) => {
    expect(isNetwork(text)).toBe(isOne);
  });
});
