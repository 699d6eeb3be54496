import { generateKeyPairSync } from 'node:crypto';
import { parseHex } from '@margo-trust/bytes';
import { decodeCbor, encodeCbor, type CborMap, type CborValue } from '@margo-trust/cbor';
import { assemblePublicKey, parsePublicKey } from '@margo-trust/crypto';
import { describe, expect, it } from 'vitest';
import { coseKeyThumbprint, encodeCoseKey, parseCoseKey } from '../src/index.ts';

const kid = Uint8Array.of(1, 2, 3);

const KEYS = [
  { type: 'P-256', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  { type: 'P-384', ...generateKeyPairSync('ec', { namedCurve: 'P-384' }) },
  { type: 'P-521', ...generateKeyPairSync('ec', { namedCurve: 'P-521' }) },
  { type: 'Ed25519', ...generateKeyPairSync('ed25519') },
  { type: 'RSA', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) },
].map(({ type, publicKey }) => ({ type, spki: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })) }));

describe('COSE keys', () => {
  it.each(KEYS)('come back: $type', ({ spki }) => {
    const key = parsePublicKey(spki);
    const map = decodeCbor(encodeCbor(encodeCoseKey(key, kid))) as CborMap;
    expect(parseCoseKey(map)).toEqual({ key, kid });
  });

  it('ignore members that do not make the key, and need no kid', () => {
    const map = changed({ 2: undefined, 3: -7, 4: [2] });
    expect(parseCoseKey(map).kid).toBeUndefined();
  });

  it.each([
    ['cose/unsupported-key', { 1: 4 }],
    ['cose/unsupported-key', { 1: undefined }],
    ['cose/unsupported-key', { 1: 1, [-1]: 7 }],
    ['cose/unsupported-key', { [-1]: 8 }],
    ['cose/unsupported-key', { [-1]: 6 }],
    ['cose/bad-key', { 2: 'text' }],
    ['cose/bad-key', { [-3]: true }], // a compressed point
    ['cose/bad-key', { [-3]: undefined }],
    ['cose/bad-key', { [-2]: new Uint8Array(32) }],
    ['cose/bad-key', { [-2]: new Uint8Array(31) }],
    ['cose/private-key', { [-4]: new Uint8Array(32) }],
  ] as const)('are refused with %s: %o', (code, change) => {
    expect(() => parseCoseKey(changed(change))).toThrow(expect.objectContaining({ code }));
  });

  it('are refused when RSA is private, weak or not canonical', () => {
    const { spki } = KEYS.find(({ type }) => type === 'RSA')!;
    const good = encodeCoseKey(parsePublicKey(spki), kid);
    const n = good.get(-1) as Uint8Array;
    const refusal = (label: number, value: CborValue) => () => parseCoseKey(new Map([...good, [label, value]]));
    expect(refusal(-3, n)).toThrow(expect.objectContaining({ code: 'cose/private-key' }));
    expect(refusal(-1, n.slice(128))).toThrow(expect.objectContaining({ code: expect.stringMatching(/key$/) }));
    expect(refusal(-1, Uint8Array.of(0, ...n))).toThrow(expect.objectContaining({ code: 'cose/bad-key' }));
  });

  // RFC 9679 §6
  it('have the thumbprint of the RFC’s example', () => {
    const key = assemblePublicKey({
      type: 'P-256',
      x: parseHex('65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d'),
      y: parseHex('1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c'),
    });
    expect(coseKeyThumbprint(key)).toEqual(
      parseHex('496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec'),
    );
  });

  it.each(KEYS)('have a thumbprint that leaves the kid out: $type', ({ spki }) => {
    const key = parsePublicKey(spki);
    const print = coseKeyThumbprint(parseCoseKey(encodeCoseKey(key, kid)).key);
    expect(print).toEqual(coseKeyThumbprint(key));
    expect(print).toHaveLength(32);
  });
});

function changed(change: Readonly<Record<number, CborValue>>): CborMap {
  const map = new Map(encodeCoseKey(parsePublicKey(KEYS[0]!.spki), kid));
  for (const [label, value] of Object.entries(change)) {
    if (value === undefined) map.delete(Number(label));
    else map.set(Number(label), value);
  }
  return map;
}
