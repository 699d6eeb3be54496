import { generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { encodeUtf8, parseHex } from '@margo-trust/bytes';
import { CborTag, encodeCbor, type CborMap, type CborValue } from '@margo-trust/cbor';
import { parsePublicKey } from '@margo-trust/crypto';
import { describe, expect, it } from 'vitest';
import {
  CoseFault,
  algorithmOf,
  coseAlgorithmId,
  encodeCoseSign1,
  parseCoseSign1,
  prepareCheck,
  toBeSigned,
  verifyCoseSign1,
  type CoseFaultCode,
} from '../src/index.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = parsePublicKey(new Uint8Array(pair.publicKey.export({ format: 'der', type: 'spki' })));
const payload = encodeUtf8('This is the content.');

describe('parseCoseSign1', () => {
  it('gives the parts as they were sent, and encodes them again', () => {
    const bytes = signed([[1, -7]], { unprotectedHeader: new Map([[4, Uint8Array.of(1)]]) });
    const message = parseCoseSign1(bytes);
    expect(message.protectedBytes).toEqual(parseHex('a10126'));
    expect(message.protectedHeader).toEqual(new Map([[1, -7]]));
    expect(message.payload).toEqual(payload);
    expect(encodeCoseSign1(message)).toEqual(bytes);
  });

  it('keeps protected bytes that are not in deterministic order', () => {
    const bytes = parseHex('d28446a20441000126a04040');
    expect(encodeCoseSign1(parseCoseSign1(bytes))).toEqual(bytes);
  });

  it.each<[string, CborValue]>([
    ['no tag', [new Uint8Array(), new Map(), payload, new Uint8Array()]],
    ['another tag', new CborTag(98, [new Uint8Array(), new Map(), payload, new Uint8Array()])],
    ['three parts', new CborTag(18, [new Uint8Array(), new Map(), payload])],
    ['five parts', new CborTag(18, [new Uint8Array(), new Map(), payload, new Uint8Array(), 0])],
    ['a map for protected header', new CborTag(18, [new Map(), new Map(), payload, new Uint8Array()])],
    ['text for payload', new CborTag(18, [new Uint8Array(), new Map(), 'text', new Uint8Array()])],
    ['undefined for payload', new CborTag(18, [new Uint8Array(), new Map(), undefined, new Uint8Array()])],
    ['no map unprotected', new CborTag(18, [new Uint8Array(), [], payload, new Uint8Array()])],
    ['nil for signature', new CborTag(18, [new Uint8Array(), new Map(), payload, null])],
    ['an array protected', new CborTag(18, [Uint8Array.of(0x80), new Map(), payload, new Uint8Array()])],
    ['broken CBOR protected', new CborTag(18, [Uint8Array.of(0xa1), new Map(), payload, new Uint8Array()])],
    ['a repeated label', new CborTag(18, [parseHex('a201260126'), new Map(), payload, new Uint8Array()])],
    ['a label of bytes', new CborTag(18, [parseHex('a1410000'), new Map(), payload, new Uint8Array()])],
    ['alg in both headers', new CborTag(18, [parseHex('a10126'), new Map([[1, -7]]), payload, new Uint8Array()])],
    ['crit unprotected', new CborTag(18, [parseHex('a10126'), new Map([[2, [4]]]), payload, new Uint8Array()])],
  ])('refuses %s', (_, value) => {
    expect(() => parseCoseSign1(encodeCbor(value))).toThrow(fault('cose/malformed'));
  });

  it('refuses a message above the limit', () => {
    const bytes = signed([[1, -7]]);
    expect(() => parseCoseSign1(bytes, { maxBytes: bytes.length - 1 })).toThrow(fault('cose/too-large'));
    expect(() => parseCoseSign1(new Uint8Array(1_048_577))).toThrow(fault('cose/too-large'));
  });

  it('throws nothing but its faults, whatever it is given', () => {
    const good = signed([[1, -7]]);
    const changed = fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, byte]) => {
      const copy = Uint8Array.from(good);
      copy[at] = byte;
      return copy;
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), changed), (bytes) => {
        try {
          parseCoseSign1(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(CoseFault);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('verifyCoseSign1', () => {
  it('refuses every flipped bit outside the unprotected header', () => {
    const bytes = signed([[1, -7]]);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = Uint8Array.from(bytes);
      copy[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => verifyCoseSign1(parseCoseSign1(copy), key)).toThrow();
    }
  });

  it('takes a detached payload, and refuses one that is missing or another', () => {
    const detached = parseCoseSign1(signed([[1, -7]], { payload: undefined }));
    verifyCoseSign1(detached, key, { payload });
    expect(() => verifyCoseSign1(detached, key)).toThrow(fault('cose/payload-missing'));
    expect(() => verifyCoseSign1(detached, key, { payload: new Uint8Array() })).toThrow(fault('crypto/bad-signature'));

    const attached = parseCoseSign1(signed([[1, -7]]));
    verifyCoseSign1(attached, key, { payload });
    const options = { payload: new Uint8Array() };
    expect(() => verifyCoseSign1(attached, key, options)).toThrow(fault('cose/payload-mismatch'));
  });

  it('knows an empty payload from a missing one', () => {
    const data = toBeSigned(parseHex('a10126'), new Uint8Array());
    const message = { protectedBytes: parseHex('a10126'), unprotectedHeader: new Map(), signature: signature(data) };
    verifyCoseSign1(parseCoseSign1(encodeCoseSign1({ ...message, payload: new Uint8Array() })), key);
  });

  it('refuses a message without protected algorithm', () => {
    const message = parseCoseSign1(signed([], { unprotectedHeader: new Map([[1, -7]]) }));
    expect(() => verifyCoseSign1(message, key)).toThrow(fault('cose/malformed'));
  });
});

describe('crit', () => {
  const notary = 'io.cncf.notary.signingScheme';
  const scheme: [CborValue, CborValue] = [notary, 'notary.x509'];

  it('is accepted when every label is protected and understood', () => {
    const standard: [CborValue, CborValue][] = [1, 3, 4, 15, 33, 34, 258, 259, 260, 394, 395, 396].map((label) => [
      label,
      label === 1 ? -7 : 'x',
    ]);
    verifyCoseSign1(parseCoseSign1(signed([[2, standard.map(([label]) => label)], ...standard])), key);
    const options = { understood: [notary] };
    verifyCoseSign1(parseCoseSign1(signed([[1, -7], [2, [notary]], scheme])), key, options);
  });

  it.each<[string, [CborValue, CborValue][]]>([
    [
      'a label nobody knows',
      [
        [1, -7],
        [2, ['unknown']],
        ['unknown', 1],
      ],
    ],
    [
      'an integer label nobody knows',
      [
        [1, -7],
        [2, [-70001]],
        [-70001, 1],
      ],
    ],
    [
      'a known label that is absent',
      [
        [1, -7],
        [2, [3]],
      ],
    ],
    [
      'an understood label that is absent',
      [
        [1, -7],
        [2, [notary]],
      ],
    ],
    [
      'a label of another type',
      [
        [1, -7],
        [2, ['1']],
        ['1', 1],
      ],
    ],
    [
      'itself',
      [
        [1, -7],
        [2, [2]],
      ],
    ],
    [
      'bytes',
      [
        [1, -7],
        [2, [Uint8Array.of(1)]],
      ],
    ],
  ])('is refused when it names %s', (_, header) => {
    const message = parseCoseSign1(signed(header));
    expect(() => prepareCheck(message, key, { understood: [notary] })).toThrow(fault('cose/critical-header'));
  });

  it('is refused when only the unprotected header has the label', () => {
    const unprotectedHeader = new Map([scheme]);
    const message = parseCoseSign1(
      signed(
        [
          [1, -7],
          [2, [notary]],
        ],
        { unprotectedHeader },
      ),
    );
    expect(() => prepareCheck(message, key, { understood: [notary] })).toThrow(fault('cose/critical-header'));
  });

  it.each<[string, CborValue]>([
    ['empty', []],
    ['no list', 1],
    ['undefined', undefined],
    ['null', null],
  ])('is refused when it is %s', (_, critical) => {
    const message = parseCoseSign1(
      signed([
        [1, -7],
        [2, critical],
      ]),
    );
    expect(() => prepareCheck(message, key)).toThrow(fault('cose/malformed'));
  });
});

describe('algorithms', () => {
  it.each([
    ['ES256', -7],
    ['Ed25519', -8],
    ['ES384', -35],
    ['ES512', -36],
    ['PS256', -37],
    ['PS384', -38],
    ['PS512', -39],
  ] as const)('calls %s %d', (algorithm, id) => {
    expect(coseAlgorithmId(algorithm)).toBe(id);
    expect(algorithmOf(new Map([[1, id]]))).toBe(algorithm);
  });

  it.each([-257, -65535, 0, 'ES256', -7n, null, [-7]])('does not know %s', (id) => {
    expect(() => algorithmOf(new Map([[1, id]]))).toThrow(fault('cose/unsupported-algorithm'));
  });

  it('has no number for RS256', () => {
    expect(() => coseAlgorithmId('RS256')).toThrow(fault('cose/unsupported-algorithm'));
  });
});

interface Shape {
  readonly payload?: Uint8Array | undefined;
  readonly unprotectedHeader?: CborMap;
}

function signed(header: [CborValue, CborValue][], shape: Shape = {}): Uint8Array {
  const protectedBytes = encodeCbor(new Map(header));
  const { unprotectedHeader = new Map() } = shape;
  const data = toBeSigned(protectedBytes, payload);
  return encodeCoseSign1({ payload, ...shape, protectedBytes, unprotectedHeader, signature: signature(data) });
}

function signature(data: Uint8Array): Uint8Array {
  return new Uint8Array(sign('sha256', data, { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }));
}

function fault(code: CoseFaultCode | 'crypto/bad-signature') {
  return expect.objectContaining({ code });
}
