import { decode, encode, objectToTokens, rfc8949EncodeOptions, Token, Type } from 'cborg';
import type { DecodeOptions, EncodeOptions } from 'cborg/interface';
import fc from 'fast-check';
import { parseHex } from '@margo-trust/bytes';
import { describe, expect, it } from 'vitest';
import { CborFault, CborFloat, CborTag, decodeCbor, encodeCbor, isCborMap } from '../src/index.ts';
import type { CborFaultCode, CborValue } from '../src/index.ts';

const float = (value: number) => new CborFloat(value);
const map = (...entries: [CborValue, CborValue][]) => new Map(entries);
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

describe('RFC 8949 Appendix A', () => {
  it.each<[string, CborValue]>([
    ['00', 0],
    ['01', 1],
    ['0a', 10],
    ['17', 23],
    ['1818', 24],
    ['1819', 25],
    ['1864', 100],
    ['1903e8', 1000],
    ['1a000f4240', 1000000],
    ['1b000000e8d4a51000', 1000000000000],
    ['1bffffffffffffffff', 18446744073709551615n],
    ['c249010000000000000000', new CborTag(2, parseHex('010000000000000000'))],
    ['3bffffffffffffffff', -18446744073709551616n],
    ['c349010000000000000000', new CborTag(3, parseHex('010000000000000000'))],
    ['20', -1],
    ['29', -10],
    ['3863', -100],
    ['3903e7', -1000],
    ['f90000', float(0)],
    ['f98000', float(-0)],
    ['f93c00', float(1)],
    ['fb3ff199999999999a', float(1.1)],
    ['f93e00', float(1.5)],
    ['f97bff', float(65504)],
    ['fa47c35000', float(100000)],
    ['fa7f7fffff', float(3.4028234663852886e38)],
    ['fb7e37e43c8800759c', float(1e300)],
    ['f90001', float(5.960464477539063e-8)],
    ['f90400', float(0.00006103515625)],
    ['f9c400', float(-4)],
    ['fbc010666666666666', float(-4.1)],
    ['f97c00', float(Infinity)],
    ['f97e00', float(NaN)],
    ['f9fc00', float(-Infinity)],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['f7', undefined],
    ['c074323031332d30332d32315432303a30343a30305a', new CborTag(0, '2013-03-21T20:04:00Z')],
    ['c11a514b67b0', new CborTag(1, 1363896240)],
    ['c1fb41d452d9ec200000', new CborTag(1, float(1363896240.5))],
    ['d74401020304', new CborTag(23, Uint8Array.of(1, 2, 3, 4))],
    ['d818456449455446', new CborTag(24, parseHex('6449455446'))],
    ['d82076687474703a2f2f7777772e6578616d706c652e636f6d', new CborTag(32, 'http://www.example.com')],
    ['40', new Uint8Array()],
    ['4401020304', Uint8Array.of(1, 2, 3, 4)],
    ['60', ''],
    ['6161', 'a'],
    ['6449455446', 'IETF'],
    ['62225c', '"\\'],
    ['62c3bc', 'ü'],
    ['63e6b0b4', '水'],
    ['64f0908591', '\ud800\udd51'],
    ['80', []],
    ['83010203', [1, 2, 3]],
    ['8301820203820405', [1, [2, 3], [4, 5]]],
    ['98190102030405060708090a0b0c0d0e0f101112131415161718181819', Array.from({ length: 25 }, (_, i) => i + 1)],
    ['a0', map()],
    ['a201020304', map([1, 2], [3, 4])],
    ['a26161016162820203', map(['a', 1], ['b', [2, 3]])],
    ['826161a161626163', ['a', map(['b', 'c'])]],
    ['a56161614161626142616361436164614461656145', map(['a', 'A'], ['b', 'B'], ['c', 'C'], ['d', 'D'], ['e', 'E'])],
  ])('reads and writes %s', (encoded, value) => {
    expect(decodeCbor(parseHex(encoded))).toEqual(value);
    expect(hex(encodeCbor(value))).toBe(encoded);
  });

  // Longer than need be, but a float's width is not what "shortest" of §4.2 is about when reading.
  it.each([
    ['fa7f800000', Infinity],
    ['fa7fc00000', NaN],
    ['faff800000', -Infinity],
    ['fb7ff0000000000000', Infinity],
    ['fb7ff8000000000000', NaN],
    ['fbfff0000000000000', -Infinity],
  ])('reads the float %s', (encoded, value) => {
    expect(decodeCbor(parseHex(encoded))).toEqual(float(value));
  });

  it.each(['f0', 'f8ff', 'f818', 'f814'])('refuses the simple value %s', (encoded) => {
    expect(() => decodeCbor(parseHex(encoded))).toThrow(fault('cbor/unsupported'));
  });

  it.each([
    '5f42010243030405ff',
    '7f657374726561646d696e67ff',
    '9fff',
    '9f018202039f0405ffff',
    'bf61610161629f0203ffff',
    'ff',
  ])('refuses the indefinite length of %s', (encoded) => {
    expect(() => decodeCbor(parseHex(encoded))).toThrow(fault('cbor/indefinite-length'));
  });
});

describe('encodeCbor', () => {
  // RFC 8949 §4.2.1
  it('orders keys bytewise by encoding', () => {
    const keys: CborValue[] = [false, [-1], [100], 'aa', 'z', -1, 100, 10];
    expect(hex(encodeCbor(new Map(keys.map((key) => [key, 0]))))).toBe(
      'a80a001864002000617a0062616100811864008120' + '00f400',
    );
  });

  it('switches from number to bigint beyond 2^53 - 1, on either side', () => {
    for (const edge of [2n ** 53n - 1n, 2n ** 53n, -(2n ** 53n) + 1n, -(2n ** 53n)]) {
      const decoded = decodeCbor(encodeCbor(edge));
      expect(decoded).toBe(Number.isSafeInteger(Number(edge)) ? Number(edge) : edge);
      expect(encodeCbor(decoded)).toEqual(encodeCbor(edge));
    }
  });

  it.each([1.5, NaN, 2 ** 53, 2n ** 64n, -(2n ** 64n) - 1n, map([1, 0], [1n, 0])])('refuses %s', (value) => {
    expect(() => encodeCbor(value)).toThrow(RangeError);
  });

  it('grows for long strings', () => {
    const long = new Uint8Array(100_000).fill(7);
    expect(decodeCbor(encodeCbor([long, long]))).toEqual([long, long]);
  });
});

describe('decodeCbor', () => {
  it.each<[CborFaultCode, string]>([
    ['cbor/truncated', ''],
    ['cbor/truncated', '18'],
    ['cbor/truncated', '4401'],
    ['cbor/truncated', '8201'],
    ['cbor/truncated', 'a101'],
    ['cbor/truncated', 'c1'],
    ['cbor/truncated', '5bffffffffffffffff'],
    ['cbor/truncated', '9bffffffffffffffff'],
    ['cbor/truncated', 'bbffffffffffffffff'],
    ['cbor/trailing-bytes', '0000'],
    ['cbor/not-minimal', '1817'],
    ['cbor/not-minimal', '1900ff'],
    ['cbor/not-minimal', '1a0000ffff'],
    ['cbor/not-minimal', '1b00000000ffffffff'],
    ['cbor/not-minimal', '3817'],
    ['cbor/not-minimal', '5803010203'],
    ['cbor/not-minimal', '980100'],
    ['cbor/not-minimal', 'b8010000'],
    ['cbor/not-minimal', 'd80100'],
    ['cbor/duplicate-key', 'a201000100'],
    ['cbor/duplicate-key', 'a2616100616100'],
    ['cbor/duplicate-key', 'a2410000410000'],
    ['cbor/duplicate-key', 'a2f93c0000fa3f80000000'], // 1.0 twice, in two widths
    ['cbor/duplicate-key', 'a2a20102030400a20304010200'], // one map twice, in two orders
    ['cbor/bad-text', '61ff'],
    ['cbor/bad-text', '63eda080'],
    ['cbor/unsupported', '1c'],
    ['cbor/unsupported', 'fe'],
    ['cbor/unsupported', 'dbffffffffffffffff00'],
    ['cbor/too-deep', `${'81'.repeat(17)}00`],
    ['cbor/too-deep', `${'c1'.repeat(17)}00`],
    ['cbor/too-deep', `${'a100'.repeat(17)}00`],
  ])('answers %s to %s', (code, encoded) => {
    expect(() => decodeCbor(parseHex(encoded))).toThrow(fault(code));
  });

  it('takes integers, text and floats that look alike for different keys', () => {
    const keys: CborValue[] = [1, '1', float(1), Uint8Array.of(1), [1], true];
    expect(decodeCbor(encodeCbor(new Map(keys.map((key) => [key, 0]))))).toHaveProperty('size', keys.length);
  });

  it('opens as many levels and items as it was allowed', () => {
    expect(decodeCbor(parseHex(`${'81'.repeat(16)}00`))).toBeInstanceOf(Array);
    expect(decodeCbor(parseHex('8100'), { maxDepth: 1 })).toEqual([0]);
    expect(() => decodeCbor(parseHex('80'), { maxDepth: 0 })).toThrow(fault('cbor/too-deep'));
    expect(decodeCbor(parseHex('820000'), { maxItems: 3 })).toEqual([0, 0]);
    expect(() => decodeCbor(parseHex('820000'), { maxItems: 2 })).toThrow(fault('cbor/too-many-items'));
  });

  it('copies byte strings, out of a Buffer too', () => {
    const input = Buffer.from('4401020304', 'hex');
    const bytes = decodeCbor(input);
    input.fill(0);
    expect(bytes).toEqual(Uint8Array.of(1, 2, 3, 4));
  });

  it.each(['81', 'a1', 'c1', '9a00010000', '00', '80', 'a1f900', '5b', '6161', 'a26100'])(
    'answers quickly to 64 KiB of %s',
    (unit) => {
      const bytes = parseHex(unit.repeat(65_536 / (unit.length / 2)));
      // The best of three: a busy machine is not a slow parser.
      const times = [1, 2, 3].map(() => {
        const start = performance.now();
        expect(() => decodeCbor(bytes)).toThrow(CborFault);
        return performance.now() - start;
      });
      expect(Math.min(...times)).toBeLessThan(1_000); // no hang: quadratic work would take longer
    },
  );
});

describe('by property', () => {
  it('gives back what it encoded', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(decodeCbor(encodeCbor(value), { maxDepth: 32 })).toEqual(value);
      }),
    );
  });

  it('encodes as cborg does under RFC 8949 rules', () => {
    fc.assert(
      fc.property(values, (value) => {
        expect(hex(encodeCbor(value))).toBe(hex(encode(value, cborgEncoding)));
      }),
    );
  });

  it('accepts nothing that a strict cborg refuses, and reads the same', () => {
    fc.assert(
      fc.property(nearlyCbor, (bytes) => {
        let value: CborValue;
        try {
          value = decodeCbor(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(CborFault);
          return;
        }
        expect(normal(value)).toEqual(decode(bytes, cborgDecoding));
      }),
      { numRuns: 3000 },
    );
  });

  it('accepts only one encoding of each value without floats, up to the order of keys', () => {
    fc.assert(
      fc.property(nearlyCbor, (bytes) => {
        let value: CborValue;
        try {
          value = decodeCbor(bytes);
        } catch {
          return;
        }
        if (!holdsMapOrFloat(value)) expect(encodeCbor(value)).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

const { value: values } = fc.letrec<{ value: CborValue; key: CborValue }>((tie) => ({
  key: fc.oneof(fc.integer(), fc.string(), fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n })),
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 4 },
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
    fc.string({ unit: 'binary' }),
    fc.uint8Array(),
    fc.constantFrom(true, false, null, undefined),
    fc
      .oneof(
        fc.double(),
        fc.float(),
        fc.integer().map((n) => n / 1024),
      )
      .map(float),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.array(fc.tuple(tie('key'), tie('value')), { maxLength: 5 }).map((entries) => new Map(entries)),
    fc.tuple(fc.nat(), tie('value')).map(([tag, value]) => new CborTag(tag, value)),
  ),
}));

/** Arbitrary bytes, and good encodings with one bit flipped, one byte cut or one added. */
const nearlyCbor = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .array(fc.constantFrom(0x00, 0x01, 0x18, 0x20, 0x40, 0x41, 0x61, 0x81, 0x82, 0xa1, 0xa2, 0xc1, 0xf4, 0xf6, 0xf9))
    .map((units) => Uint8Array.from(units)),
  fc.tuple(values, fc.nat(), fc.constantFrom('flip', 'cut', 'add')).map(([value, at, change]) => {
    const bytes = encodeCbor(value);
    if (change === 'cut') return bytes.slice(0, -1);
    if (change === 'add') return Uint8Array.of(...bytes, at & 0xff);
    const bit = at % (bytes.length * 8);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    return bytes;
  }),
);

const cborgEncoding: EncodeOptions = {
  ...rfc8949EncodeOptions,
  typeEncoders: {
    Object: (value: unknown, _type, options) => {
      if (value instanceof CborFloat) return new Token(Type.float, value.value);
      if (!(value instanceof CborTag)) return null;
      return [new Token(Type.tag, value.tag), objectToTokens(value.value, options)];
    },
  },
};

const cborgDecoding: DecodeOptions = {
  strict: true,
  useMaps: true,
  allowIndefinite: false,
  tags: new Proxy([], { get: (_, tag) => (content: () => CborValue) => new CborTag(Number(tag), content()) }),
};

/** As cborg sees it: floats are numbers like any other. */
function normal(value: CborValue): unknown {
  if (value instanceof CborFloat) return value.value;
  if (value instanceof CborTag) return new CborTag(value.tag, normal(value.value) as CborValue);
  if (Array.isArray(value)) return value.map(normal);
  if (isCborMap(value)) return new Map([...value].map(([key, item]) => [normal(key), normal(item)]));
  return value;
}

function holdsMapOrFloat(value: CborValue): boolean {
  if (value instanceof CborTag) return holdsMapOrFloat(value.value);
  if (Array.isArray(value)) return value.some(holdsMapOrFloat);
  return value instanceof CborFloat || isCborMap(value);
}

function fault(code: CborFaultCode) {
  return expect.objectContaining({ code });
}
