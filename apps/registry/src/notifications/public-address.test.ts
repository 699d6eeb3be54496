import { describe, expect, it } from 'vitest';
import { isLoopbackAddress, isPublicAddress } from './public-address.ts';

describe('addresses that may be called', () => {
  it.each([
    '8.8.8.8',
    '1.1.1.1',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '223.255.255.255',
    '2606:4700::1',
    '2a00::1',
  ])('has %s', (address) => expect(isPublicAddress(address)).toBe(true));

  it.each(
    [
      [
        '0.0.0.0',
        '127.0.0.1',
        '127.255.255.254',
        '10.0.0.1',
        '172.16.0.1',
        '172.31.255.255',
        '192.168.1.1',
        '100.64.0.1',
      ],
      ['169.254.169.254', '192.0.0.8', '192.0.2.1', '198.18.0.1', '198.51.100.1', '203.0.113.9', '192.88.99.1'],
      ['224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
      ['::', '::1', 'fe80::1', 'fec0::1', 'fc00::1', 'fd12::1', 'ff02::1', '100::1'],
      [
        '::ffff:127.0.0.1',
        '::ffff:8.8.8.8',
        '::127.0.0.1',
        '64:ff9b::7f00:1',
        '64:ff9b:1::1',
        '2002:7f00:1::',
        '2001::1',
        '2001:db8::1',
      ],
      ['', 'localhost', '127.1', '0x7f000001', '2130706433', '8.8.8.8 ', 'fe80::1%eth0'],
    ].flat(),
  )('has not %s', (address) => expect(isPublicAddress(address)).toBe(false));

  it('knows its own', () => {
    expect(['127.0.0.1', '127.9.9.9', '::1'].every(isLoopbackAddress)).toBe(true);
    expect(['128.0.0.1', '::2', '127.0.0.1.example', 'localhost'].some(isLoopbackAddress)).toBe(false);
  });
});
