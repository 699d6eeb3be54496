import { gzipSync } from 'node:zlib';
import { encodeUtf8, parseUtf8 } from '@margo-trust/bytes';
import { describe, expect, it } from 'vitest';
import { gunzip } from '../src/index.ts';

describe('gunzip', () => {
  it('unpacks what fits', () => {
    expect(parseUtf8(gunzip(gzipSync('hello'), 5))).toBe('hello');
  });

  it('stops at the limit and refuses what is no gzip', () => {
    expect(() => gunzip(gzipSync(Buffer.alloc(1_000_000)), 1000)).toThrow(
      expect.objectContaining({ code: 'oci/too-large' }),
    );
    expect(() => gunzip(encodeUtf8('hello'), 5)).toThrow(expect.objectContaining({ code: 'oci/bad-archive' }));
    expect(() => gunzip(gzipSync('hello').subarray(0, 15), 5)).toThrow(
      expect.objectContaining({ code: 'oci/bad-archive' }),
    );
  });
});
