import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeBase64,
  encodeBase64Url,
  encodeHex,
  encodeUtf8,
  parseBase64,
  parseBase64Url,
  parseHex,
  parseUtf8,
} from '../src/index.ts';
import { fault, plain } from './expect.ts';

describe('hexadecimal', () => {
  it('agrees with Buffer and comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(encodeHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
        expect(parseHex(encodeHex(bytes).toUpperCase())).toEqual(bytes);
      }),
    );
  });

  it.each(['0', '0g', ' 00', '0x00', '00\n'])('refuses %j', (text) => {
    expect(() => parseHex(text)).toThrow(fault('bytes/bad-hex'));
  });
});

describe('base64', () => {
  // RFC 4648 §10
  it.each([
    ['', ''],
    ['f', 'Zg=='],
    ['fo', 'Zm8='],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg=='],
    ['fooba', 'Zm9vYmE='],
    ['foobar', 'Zm9vYmFy'],
  ])('encodes %j as RFC 4648 §10 says', (text, encoded) => {
    expect(encodeBase64(encodeUtf8(text))).toBe(encoded);
    expect(parseUtf8(parseBase64(encoded))).toBe(text);
  });

  it('agrees with Buffer and comes back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(encodeBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
        expect(parseBase64(encodeBase64(bytes))).toEqual(bytes);
        expect(parseBase64Url(encodeBase64Url(bytes))).toEqual(bytes);
      }),
    );
  });

  it.each(['Zg', 'Zg=', 'Zg===', 'Zh==', 'Zm9=', 'Zm 9', 'Zm9v\n', '====', '=', 'A===', '-_-_', 'Zg==Zg==', 'Zmé='])(
    'refuses %j',
    (text) => {
      expect(() => parseBase64(text)).toThrow(fault('bytes/bad-base64'));
    },
  );

  it.each(['Zg==', 'Zh', 'Z', 'Zm9vZ', '+/+/', 'Zm 9'])('refuses %j where the URL alphabet is due', (text) => {
    expect(() => parseBase64Url(text)).toThrow(fault('bytes/bad-base64'));
  });

  it('accepts exactly one text for each value', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'AQgwxZ/+='), maxLength: 8 }), (text) => {
        const bytes = plain(() => parseBase64(text));
        if (bytes) expect(encodeBase64(bytes)).toBe(text);
      }),
    );
  });
});

describe('UTF-8', () => {
  it('agrees with TextEncoder for any well-formed string', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(encodeUtf8(text)).toEqual(new TextEncoder().encode(text));
        expect(parseUtf8(encodeUtf8(text))).toBe(text);
      }),
    );
  });

  it('agrees with a fatal TextDecoder about any bytes', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const unit = fc.constantFrom(
      0x41,
      0x80,
      0xbf,
      0xc0,
      0xc2,
      0xdf,
      0xe0,
      0xa0,
      0xed,
      0x9f,
      0xef,
      0xf0,
      0x90,
      0xf4,
      0x8f,
      0xf5,
    );
    fc.assert(
      fc.property(fc.array(unit, { maxLength: 8 }), (units) => {
        const bytes = Uint8Array.from(units);
        expect(plain(() => parseUtf8(bytes))).toBe(plain(() => decoder.decode(bytes)));
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps a byte order mark', () => {
    expect(parseUtf8(Uint8Array.of(0xef, 0xbb, 0xbf))).toBe('\ufeff');
  });

  it('carries texts longer than an argument list may be', () => {
    const text = 'é😀'.repeat(100_000);
    expect(parseUtf8(encodeUtf8(text))).toBe(text);
  });

  it.each(['\ud800', 'a\udc00', '\ud800\ud800'])('refuses to encode half a surrogate pair', (text) => {
    expect(() => encodeUtf8(text)).toThrow(fault('bytes/lone-surrogate'));
  });
});
