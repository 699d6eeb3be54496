import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { encodeUtf8, parseHex } from '@margo-trust/bytes';
import { describe, expect, it } from 'vitest';
import type * as node from '../src/node.ts';
import type { CryptoFaultCode, SignatureAlgorithm, SignatureCheck } from '../src/node.ts';
import { cofactoredSignature, der, derOfRaw, flipped, ORDERS, rawOfNumbers, spkiOf } from './forge.ts';

type Implementation = Pick<
  typeof node,
  'assemblePublicKey' | 'parsePublicKey' | 'publicKeyParts' | 'sha256' | 'sha384' | 'sha512'
> & { readonly verifySignature: (check: SignatureCheck) => void | Promise<void> };

/** What both implementations promise alike about digests and keys. */
export function describeKeys(name: string, crypto: Implementation): void {
  describe(`${name}: digests`, () => {
    // FIPS 180-4: the examples "abc" of NIST.
    it('gives the digests of "abc" that NIST publishes', () => {
      const abc = encodeUtf8('abc');
      expect(crypto.sha256(abc)).toEqual(parseHex('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'));
      expect(crypto.sha384(abc)).toEqual(
        parseHex('cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7'),
      );
      expect(crypto.sha512(abc).length).toBe(64);
    });

    it('agrees with OpenSSL for every length around the block sizes', () => {
      for (let length = 0; length < 260; length++) {
        const input = new Uint8Array(length).fill(length);
        for (const hash of ['sha256', 'sha384', 'sha512'] as const) {
          expect(crypto[hash](input)).toEqual(new Uint8Array(createHash(hash).update(input).digest()));
        }
      }
    });
  });

  describe(`${name}: public keys`, () => {
    it.each([...Object.keys(KEYS)])('reads a %s key and takes it apart', (type) => {
      const key = crypto.parsePublicKey(spkiOf(KEYS[type]!.publicKey));
      expect(`${key.type}${key.type === 'RSA' ? `-${key.bits}` : ''}`).toBe(type);
      expect(crypto.assemblePublicKey(crypto.publicKeyParts(key))).toEqual(key);
    });

    it.each(['P-256', 'Ed25519', 'RSA-2048'])('refuses every cut and every surplus of a %s key', (type) => {
      const spki = spkiOf(KEYS[type]!.publicKey);
      for (let length = 0; length < spki.length; length++) {
        expect(() => crypto.parsePublicKey(spki.slice(0, length))).toThrow(fault('crypto/bad-key'));
      }
      expect(() => crypto.parsePublicKey(Uint8Array.from([...spki, 0]))).toThrow(fault('crypto/bad-key'));
    });

    it('answers every flipped bit of a key with a key or a fault', () => {
      for (const type of ['P-256', 'Ed25519', 'RSA-2048']) {
        const spki = spkiOf(KEYS[type]!.publicKey);
        const step = type === 'RSA-2048' ? 7 : 1; // its bits are much alike
        for (const bad of flipped(spki).filter((_, index) => index % step === 0)) {
          try {
            expect(crypto.parsePublicKey(bad).spki).toEqual(bad);
          } catch (error) {
            expect(error).toMatchObject({ code: expect.stringMatching(/^crypto\/(bad-key|weak-key|unsupported)$/) });
          }
        }
      }
    });

    it('refuses a point that is not on its curve', () => {
      const spki = spkiOf(KEYS['P-256']!.publicKey);
      spki[90]! ^= 1;
      expect(() => crypto.parsePublicKey(spki)).toThrow(fault('crypto/bad-key'));
    });

    it('refuses a compressed point', () => {
      const [x, y] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
      expect(() => crypto.assemblePublicKey({ type: 'P-256', x, y })).toThrow(fault('crypto/bad-key'));
      const spki = spkiOf(KEYS['P-256']!.publicKey);
      const algorithm = spki.slice(2, 23);
      const point = Uint8Array.of(2 + (spki[90]! & 1), ...spki.slice(27, 59));
      const compressed = der(0x30, algorithm, der(0x03, Uint8Array.of(0), point));
      expect(() => crypto.parsePublicKey(compressed)).toThrow(fault('crypto/bad-key'));
    });

    // y = 0, 1, −1 and the two of order eight, with either sign; p and p + 1 are other spellings of 0 and 1.
    it.each([
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000080',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
      '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
      'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      '0200000000000000000000000000000000000000000000000000000000000000',
    ])('refuses the Ed25519 key %s', (hex) => {
      expect(() => crypto.assemblePublicKey({ type: 'Ed25519', x: parseHex(hex) })).toThrow(fault('crypto/bad-key'));
    });

    it('refuses RSA keys below 2048 bits, even ones and those with an exponent of one', () => {
      const n = new Uint8Array(256).fill(0xff);
      const e = Uint8Array.of(1, 0, 1);
      const weak = Uint8Array.from(n).fill(0x7f, 0, 1);
      const even = Uint8Array.from(n).fill(0xfe, 255);
      expect(crypto.assemblePublicKey({ type: 'RSA', n, e }).bits).toBe(2048);
      expect(() => crypto.assemblePublicKey({ type: 'RSA', n: weak, e })).toThrow(fault('crypto/weak-key'));
      expect(() => crypto.assemblePublicKey({ type: 'RSA', n: even, e })).toThrow(fault('crypto/bad-key'));
      for (const bad of [[], [0], [1], [2], [0, 3], [1, 0, 0, 0, 1]]) {
        const exponent = Uint8Array.from(bad);
        expect(() => crypto.assemblePublicKey({ type: 'RSA', n, e: exponent })).toThrow(fault('crypto/bad-key'));
      }
      const huge = new Uint8Array(1025).fill(0xff);
      expect(() => crypto.assemblePublicKey({ type: 'RSA', n: huge, e })).toThrow(fault('crypto/unsupported'));
    });

    it.each(['secp256k1', 'brainpoolP256r1'])('does not know the curve %s', (namedCurve) => {
      const { publicKey } = generateKeyPairSync('ec', { namedCurve });
      expect(() => crypto.parsePublicKey(spkiOf(publicKey))).toThrow(fault('crypto/unsupported'));
    });

    it.each(['ed448', 'x25519'] as const)('does not know %s', (type) => {
      const { publicKey } = generateKeyPairSync(type as 'ed448');
      expect(() => crypto.parsePublicKey(spkiOf(publicKey))).toThrow(fault('crypto/unsupported'));
    });
  });
}

/** What both implementations and the thread pool promise alike about signatures. */
export function describeSignatures(name: string, crypto: Implementation, { rsa }: { rsa: boolean }): void {
  const data = encodeUtf8('Everything Margo deploys is an OCI manifest.');
  const verdict = async (check: SignatureCheck): Promise<CryptoFaultCode | 'good'> => {
    try {
      await crypto.verifySignature(check);
      return 'good';
    } catch (error) {
      return (error as { code: CryptoFaultCode }).code ?? Promise.reject(error as Error);
    }
  };

  describe(`${name}: signatures`, () => {
    const supported = CASES.filter(({ type }) => rsa || !type.startsWith('RSA'));

    it.each(supported)('accepts $algorithm of a $type key and refuses it over other data', async (example) => {
      const check = checkOf(crypto, example, data);
      expect(await verdict(check)).toBe('good');
      expect(await verdict({ ...check, data: encodeUtf8('something else') })).toBe('crypto/bad-signature');
      expect(await verdict({ ...check, signature: check.signature.slice(1) })).toBe('crypto/bad-signature');
      expect(await verdict({ ...check, signature: Uint8Array.from([...check.signature, 0]) })).toBe(
        'crypto/bad-signature',
      );
      expect(await verdict({ ...check, signature: new Uint8Array() })).toBe('crypto/bad-signature');
    });

    it.each(supported.filter(({ type }) => type.startsWith('P-')))('accepts $algorithm in DER', async (example) => {
      const check = checkOf(crypto, example, data);
      const signature = derOfRaw(check.signature);
      expect(await verdict({ ...check, signature, encoding: 'der' })).toBe('good');
      expect(await verdict({ ...check, signature })).toBe('crypto/bad-signature');
      expect(await verdict({ ...check, encoding: 'der' })).toBe('crypto/bad-signature');
    });

    it('accepts both halves of the range of s', async () => {
      const check = checkOf(crypto, { algorithm: 'ES256', type: 'P-256' }, data);
      const [r, s] = numbersOf(check.signature);
      expect(await verdict({ ...check, signature: rawOfNumbers(r, ORDERS['P-256'] - s, 32) })).toBe('good');
    });

    it('refuses numbers out of range', async () => {
      const check = checkOf(crypto, { algorithm: 'ES256', type: 'P-256' }, data);
      const [r, s] = numbersOf(check.signature);
      const n = ORDERS['P-256'];
      for (const [badR, badS] of [
        [0n, s],
        [r, 0n],
        [n, s],
        [r, n],
        [0n, 0n],
        [2n ** 256n - 1n, s],
      ] as const) {
        expect(await verdict({ ...check, signature: rawOfNumbers(badR, badS, 32) })).toBe('crypto/bad-signature');
      }
    });

    it('refuses DER that is not minimal', async () => {
      const check = { ...checkOf(crypto, { algorithm: 'ES256', type: 'P-256' }, data), encoding: 'der' } as const;
      const good = derOfRaw(check.signature);
      const body = good.slice(2);
      const variants = [
        Uint8Array.of(0x30, 0x81, body.length, ...body), // long length
        Uint8Array.of(0x30, 0x80, ...body, 0, 0), // indefinite length
        Uint8Array.of(...good, 0), // surplus outside
        Uint8Array.of(0x30, body.length + 2, ...body, 5, 0), // surplus inside
        Uint8Array.of(0x30, body.length + 1, 2, body[1]! + 1, 0, ...body.slice(2)), // sign byte nobody needs
        Uint8Array.of(0x31, ...good.slice(1)),
        good.slice(0, -1),
      ];
      for (const signature of variants) {
        expect(await verdict({ ...check, signature })).toBe('crypto/bad-signature');
      }
    });

    it('refuses every flipped bit of a signature', async () => {
      for (const example of [
        { algorithm: 'ES256', type: 'P-256' },
        { algorithm: 'Ed25519', type: 'Ed25519' },
      ] as const) {
        const check = checkOf(crypto, example, data);
        const step = rsa ? 1 : 17; // the portable one is slow
        const signatures = flipped(check.signature).filter((_, index) => index % step === 0);
        for (const signature of signatures) expect(await verdict({ ...check, signature })).toBe('crypto/bad-signature');
      }
    });

    it('refuses an algorithm that does not go with the key', async () => {
      for (const { algorithm } of CASES) {
        for (const type of Object.keys(KEYS)) {
          if (CASES.some((example) => example.algorithm === algorithm && fits(example.type, type))) continue;
          const key = crypto.parsePublicKey(spkiOf(KEYS[type]!.publicKey));
          const check = { algorithm, key, data, signature: new Uint8Array(64) };
          expect(await verdict(check)).toBe('crypto/algorithm-mismatch');
        }
      }
    });

    it('takes any hash with any curve where X.509 names only the hash', async () => {
      const key = crypto.parsePublicKey(spkiOf(KEYS['P-384']!.publicKey));
      for (const [algorithm, hash] of [
        ['ES256', 'sha256'],
        ['ES512', 'sha512'],
      ] as const) {
        const signature = new Uint8Array(sign(hash, data, KEYS['P-384']!.privateKey));
        expect(await verdict({ algorithm, key, data, signature, encoding: 'der' })).toBe('good');
        expect(await verdict({ algorithm, key, data, signature })).toBe('crypto/algorithm-mismatch');
      }
    });

    // RFC 8032 §7.1, TEST 3
    const example = {
      x: parseHex('fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025'),
      data: parseHex('af82'),
      signature: parseHex(
        '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
      ),
    };

    it('accepts TEST 3 of RFC 8032 §7.1', async () => {
      const key = crypto.assemblePublicKey({ type: 'Ed25519', x: example.x });
      expect(await verdict({ algorithm: 'Ed25519', key, data: example.data, signature: example.signature })).toBe(
        'good',
      );
    });

    it('refuses an Ed25519 signature whose S has the group order added', async () => {
      const key = crypto.assemblePublicKey({ type: 'Ed25519', x: example.x });
      const s = BigInt(`0x${Buffer.from(example.signature.slice(32)).reverse().toString('hex')}`) + ORDERS.Ed25519;
      const grown = Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse();
      const signature = Uint8Array.from([...example.signature.slice(0, 32), ...grown]);
      expect(await verdict({ algorithm: 'Ed25519', key, data: example.data, signature })).toBe('crypto/bad-signature');
    });

    it('refuses an Ed25519 signature that holds only up to the cofactor', async () => {
      const { x, signature } = cofactoredSignature(data);
      expect(ed25519.verify(signature, data, x, { zip215: false })).toBe(true);
      const key = crypto.assemblePublicKey({ type: 'Ed25519', x });
      expect(await verdict({ algorithm: 'Ed25519', key, data, signature })).toBe('crypto/bad-signature');
    });

    it.runIf(!rsa)('says that RSA is not supported', async () => {
      const check = checkOf(crypto, { algorithm: 'PS256', type: 'RSA-2048' }, data);
      expect(await verdict(check)).toBe('crypto/unsupported');
    });

    it.runIf(rsa)('refuses PSS with a salt of another length', async () => {
      const key = crypto.parsePublicKey(spkiOf(KEYS['RSA-2048']!.publicKey));
      for (const saltLength of [0, 20, 64]) {
        const signature = new Uint8Array(
          sign('sha256', data, { key: KEYS['RSA-2048']!.privateKey, padding: 6, saltLength }),
        );
        expect(await verdict({ algorithm: 'PS256', key, data, signature })).toBe('crypto/bad-signature');
      }
    });
  });
}

interface Example {
  readonly algorithm: SignatureAlgorithm;
  readonly type: string;
}

const CASES: readonly Example[] = [
  { algorithm: 'ES256', type: 'P-256' },
  { algorithm: 'ES384', type: 'P-384' },
  { algorithm: 'ES512', type: 'P-521' },
  { algorithm: 'Ed25519', type: 'Ed25519' },
  { algorithm: 'PS256', type: 'RSA-2048' },
  { algorithm: 'PS384', type: 'RSA-3072' },
  { algorithm: 'PS512', type: 'RSA-2048' },
  { algorithm: 'RS256', type: 'RSA-2048' },
  { algorithm: 'RS384', type: 'RSA-3072' },
  { algorithm: 'RS512', type: 'RSA-2048' },
];

const KEYS: Readonly<Record<string, { publicKey: KeyObject; privateKey: KeyObject }>> = {
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'P-521': generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  Ed25519: generateKeyPairSync('ed25519'),
  'RSA-2048': generateKeyPairSync('rsa', { modulusLength: 2048 }),
  'RSA-3072': generateKeyPairSync('rsa', { modulusLength: 3072 }),
};

function fits(type: string, other: string): boolean {
  return type === other || (type.startsWith('RSA') && other.startsWith('RSA'));
}

function checkOf(crypto: Implementation, { algorithm, type }: Example, data: Uint8Array): SignatureCheck {
  const { publicKey, privateKey } = KEYS[type]!;
  const hash = algorithm === 'Ed25519' ? null : `sha${algorithm.slice(2)}`;
  const options = algorithm.startsWith('PS') ? { padding: 6, saltLength: -1 } : {};
  const signature = sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363', ...options });
  return { algorithm, key: crypto.parsePublicKey(spkiOf(publicKey)), data, signature: new Uint8Array(signature) };
}

function numbersOf(raw: Uint8Array): [bigint, bigint] {
  const hex = Buffer.from(raw).toString('hex');
  return [BigInt(`0x${hex.slice(0, hex.length / 2)}`), BigInt(`0x${hex.slice(hex.length / 2)}`)];
}

function fault(code: CryptoFaultCode) {
  return expect.objectContaining({ code });
}
