import { generateKeyPairSync, sign } from 'node:crypto';
import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { encodeCbor } from '@margo-trust/cbor';
import { encodeCoseKey, encodeCoseSign1, toBeSigned } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openInBareEngine, type BareModule } from './bare-engine.ts';
import * as here from './portable-entry.ts';

describe('the ground, in an engine that has only the language', () => {
  let bare: BareModule;
  beforeAll(async () => {
    bare = await openInBareEngine(new URL('./portable-entry.ts', import.meta.url));
  });
  afterAll(() => bare?.close());

  /** The outcome there, once it is the outcome here. */
  function both<Name extends keyof typeof here>(name: Name, ...args: Parameters<(typeof here)[Name]>): unknown {
    const run = here[name] as (...args: unknown[]) => unknown;
    const expected = outcome(() => run(...args));
    expect(outcome(() => bare.call(name, ...args))).toEqual(expected);
    return expected;
  }

  it.each(['TextDecoder', 'TextEncoder', 'Buffer', 'URL', 'atob', 'crypto', 'setTimeout', 'console', 'process'])(
    'has no %s to lean on',
    (name) => {
      expect(bare.call('typeOfGlobal', name)).toBe('undefined');
    },
  );

  it('gives the same digests', () => {
    expect(both('digests', 'Grüezi 👋')).toHaveProperty('value');
  });

  it('reads the same CBOR and the same JSON', () => {
    const value = [1, -1n, 2n ** 64n - 1n, 'ü', Uint8Array.of(1), new Map([['b', null], ['a', undefined]])]; // prettier-ignore
    expect(both('reencode', encodeHex(encodeCbor(value)))).toHaveProperty('value');
    expect(both('reencode', 'a201000100')).toEqual({ code: 'cbor/duplicate-key' });
    expect(both('reencode', '81'.repeat(5000))).toEqual({ code: 'cbor/too-deep' });
    expect(both('readJson', encodeHex(encodeUtf8('{"a":["ü",1e3]}')))).toEqual({ value: { a: ['ü', 1000] } });
    expect(both('readJson', encodeHex(encodeUtf8('['.repeat(50_000))))).toEqual({ code: 'bytes/too-deep' });
    expect(both('readJson', '22c328')).toEqual({ code: 'bytes/bad-utf8' });
  });

  it.each([
    { algorithm: 'ES256', id: -7, pair: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
    { algorithm: 'ES384', id: -35, pair: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }) },
    { algorithm: 'Ed25519', id: -8, pair: () => generateKeyPairSync('ed25519') },
  ] as const)('opens the same messages: $algorithm', ({ algorithm, id, pair }) => {
    const { publicKey, privateKey } = pair();
    const spki = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
    const coseKey = encodeHex(encodeCbor(encodeCoseKey(parsePublicKey(spki), Uint8Array.of(1))));

    const [protectedBytes, payload] = [encodeCbor(new Map([[1, id]])), encodeUtf8('This is the content.')];
    const data = toBeSigned(protectedBytes, payload);
    const hash = algorithm === 'Ed25519' ? null : `sha${algorithm.slice(2)}`;
    const signature = new Uint8Array(sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' }));
    const message = encodeHex(encodeCoseSign1({ protectedBytes, unprotectedHeader: new Map(), payload, signature }));

    expect(both('openMessage', message, coseKey)).toEqual({ value: 'This is the content.' });
    expect(both('openMessage', message.replace('636f6e74656e74', '636f6e74656e75'), coseKey)).toEqual({
      code: 'crypto/bad-signature',
    });
    expect(both('openMessage', message.replace('d284', 'd283'), coseKey)).toEqual({ code: 'cose/malformed' });
    both('thumbprint', coseKey);

    const [spkiHex, dataHex, signatureHex] = [spki, data, signature].map(encodeHex) as [string, string, string];
    expect(both('checkSignature', algorithm, spkiHex, dataHex, signatureHex)).toHaveProperty('value');
    expect(both('checkSignature', 'ES512', spkiHex, dataHex, signatureHex)).toEqual({
      code: 'crypto/algorithm-mismatch',
    });
  });

  it('says clearly what it cannot do there', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const spki = encodeHex(new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })));
    const signature = encodeHex(new Uint8Array(sign('sha256', Uint8Array.of(1), privateKey)));
    expect(here.checkSignature('RS256', spki, '01', signature)).toBe('RSA');
    expect(() => bare.call('checkSignature', 'RS256', spki, '01', signature)).toThrow(
      expect.objectContaining({ code: 'crypto/unsupported' }),
    );
  });
});

/** The value, or the code of the fault; anything else that is thrown is a bug and stays thrown. */
function outcome(run: () => unknown): unknown {
  try {
    return { value: run() };
  } catch (error) {
    const { code } = error as { code?: string };
    if (!code) throw error;
    return { code };
  }
}
