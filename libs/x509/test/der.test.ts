import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseHex } from '@margo-trust/bytes';
import { derTime, readTime } from '../src/der/time.ts';
import {
  derInteger,
  derNamedBits,
  derOid,
  derOctetString,
  derSequence,
  derSetOf,
  readDer,
  readOid,
  readUnsigned,
  TAG,
  X509Fault,
} from '../src/index.ts';
import { readBoolean, readDefaultFalse, readIntegerBytes, readNamedBits, openDer } from '../src/der/read.ts';
import { openssl } from '@margo-trust/testkit';

const malformed = expect.objectContaining({ code: 'x509/malformed' });
const hex = (text: string) => parseHex(text.replaceAll(' ', ''));

describe('the DER reader', () => {
  it.each([
    ['nothing', ''],
    ['an identifier without length', '30'],
    ['a value that ends after the input', '04 03 00 00'],
    ['bytes after the value', '04 01 00 00'],
    ['an indefinite length', '30 80 00 00'],
    ['a long form where the short one fits', '04 81 01 00'],
    ['a length with a leading zero', `04 82 00 80 ${'00'.repeat(128)}`],
    ['a length of five octets', '04 85 00 00 00 00 01 00'],
    ['a length larger than any memory', '04 84 ff ff ff ff'],
    ['a tag number above 30', '1f 81 01 00'],
  ])('refuses %s', (_, input) => {
    expect(() => readDer(hex(input))).toThrow(malformed);
  });

  it.each([
    ['an empty INTEGER', '02 00'],
    ['an INTEGER with a needless zero', '02 02 00 7f'],
    ['a negative INTEGER with needless ones', '02 02 ff 80'],
  ])('refuses %s', (_, input) => {
    expect(() => readIntegerBytes(readDer(hex(input)))).toThrow(malformed);
  });

  it.each([
    ['a BOOLEAN of 01', () => readBoolean(readDer(hex('01 01 01')))],
    ['a default that is written out', () => readDefaultFalse(openDer(readDer(hex('30 03 01 01 00'))))],
    ['an empty OBJECT IDENTIFIER', () => readOid(readDer(hex('06 00')))],
    ['an OBJECT IDENTIFIER with a padded arc', () => readOid(readDer(hex('06 03 55 80 01')))],
    ['an OBJECT IDENTIFIER that ends early', () => readOid(readDer(hex('06 02 55 81')))],
    ['named bits with trailing zeros', () => readNamedBits(readDer(hex('03 02 00 80')))],
    ['named bits with unused bits set', () => readNamedBits(readDer(hex('03 02 07 81')))],
    ['named bits without octets but with unused ones', () => readNamedBits(readDer(hex('03 01 03')))],
  ])('refuses %s', (_, read) => {
    expect(read).toThrow(malformed);
  });

  it('gives a value or a Fault for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          const node = readDer(bytes);
          expect(node.der).toEqual(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(X509Fault);
        }
      }),
    );
  });
});

describe('times', () => {
  it.each([
    ['31 February', '170d 3236303233313030303030305a'],
    ['no seconds', '170b 323630323031303030305a'],
    ['an offset', '1711 3236303230313030303030302b30313030'],
    ['a fraction', '1811 32303530303230313030303030302e355a'],
    ['hour 24', '170d 3236303230313234303030305a'],
  ])('are refused with %s', (_, input) => {
    expect(() => readTime(readDer(hex(input)))).toThrow(malformed);
  });

  it('are written as UTCTime through 2049 and GeneralizedTime after, and read back', () => {
    const seconds = fc.integer({ min: Date.UTC(1950, 0, 1) / 1000, max: Date.UTC(9999, 11, 31) / 1000 });
    fc.assert(
      fc.property(seconds, (second) => {
        const time = new Date(second * 1000);
        const node = readDer(derTime(time));
        expect(node.tag).toBe(time.getUTCFullYear() < 2050 ? TAG.utcTime : TAG.generalizedTime);
        expect(readTime(node)).toEqual(time);
      }),
    );
  });

  it('are not written with parts of a second', () => {
    expect(() => derTime(new Date(1500))).toThrow(expect.objectContaining({ code: 'x509/invalid-spec' }));
  });
});

describe('the DER writer', () => {
  it('writes integers and identifiers that read back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 400n }), (value) => {
        expect(readUnsigned(readDer(derInteger(value)))).toBe(value);
      }),
    );
    for (const oid of ['0.0', '1.39.1', '2.5.29.37.0', '2.999.1', '1.3.6.1.4.1.57264.1.8', `2.25.${1n << 127n}`]) {
      expect(readOid(readDer(derOid(oid)))).toBe(oid);
    }
  });

  it.each(['', '3.1', '1.40', '1', '1..2', '1.2.03', '1.2.-1'])('refuses %j as object identifier', (oid) => {
    expect(() => derOid(oid)).toThrow(expect.objectContaining({ code: 'x509/invalid-spec' }));
  });

  it('sorts a SET OF by encoding', () => {
    const [long, short] = [derOctetString(hex('00 00')), derOctetString(hex('ff'))];
    expect(derSetOf([long, short])).toEqual(hex('31 07 04 01 ff 04 02 00 00'));
  });

  it('writes what openssl reads', () => {
    const der = derSequence(derInteger(65_537), derNamedBits([0, 6]), derOid('1.2.840.10045.4.3.3'));
    const { isOk, output } = openssl(['asn1parse', '-inform', 'DER', '-in', 'x.der'], { 'x.der': der });
    expect(isOk).toBe(true);
    expect(output).toMatch(/INTEGER +:010001[^]*BIT STRING[^]*ecdsa-with-SHA384/);
  });
});
