import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { findPublicKey, tufKeyFromSpki, tufKeyId } from '@margo-trust/tuf';
import { encodePublicKeyPem, parsePublicKeyPem } from '../src/pem.ts';

const spkiOf = (kind: 'P-256' | 'P-384' | 'Ed25519'): Uint8Array => {
  const { publicKey } =
    kind === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: kind });
  return new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
};

describe('TUF keys', () => {
  it.each(['P-256', 'Ed25519'] as const)('carry a %s key there and back', (kind) => {
    const spki = spkiOf(kind);
    expect(findPublicKey(tufKeyFromSpki(spki))?.spki).toEqual(spki);
  });

  it('are only of the kinds that every client verifies', () => {
    expect(() => tufKeyFromSpki(spkiOf('P-384'))).toThrow(expect.objectContaining({ code: 'tuf/unsupported' }));
  });

  it('have an id that covers every member', () => {
    const key = tufKeyFromSpki(spkiOf('Ed25519'));
    expect(tufKeyId({ ...key, 'x-owner': 'alice' })).not.toBe(tufKeyId(key));
  });

  it('write PEM as OpenSSL does', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(encodePublicKeyPem(publicKey.export({ type: 'spki', format: 'der' }))).toBe(pem);
    expect(parsePublicKeyPem(pem)).toEqual(new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })));
  });

  const key = tufKeyFromSpki(spkiOf('Ed25519'));
  const ecdsa = tufKeyFromSpki(spkiOf('P-256'));
  it.each([
    { what: 'an unknown kind', key: { ...key, keytype: 'ml-dsa' } },
    { what: 'an unknown scheme', key: { ...ecdsa, scheme: 'ecdsa-sha2-nistp384' } },
    { what: 'an Ed25519 key in upper case', key: { ...key, keyval: { public: 'AB'.repeat(32) } } },
    { what: 'an Ed25519 key as PEM', key: { ...key, keyval: { public: encodePublicKeyPem(spkiOf('Ed25519')) } } },
    { what: 'a P-384 key', key: { ...ecdsa, keyval: { public: encodePublicKeyPem(spkiOf('P-384')) } } },
    { what: 'a PEM with a second block', key: { ...ecdsa, keyval: { public: ecdsa.keyval.public.repeat(2) } } },
    { what: 'no PEM at all', key: { ...ecdsa, keyval: { public: 'constructor' } } },
  ])('of no use are not found: $what', ({ key }) => {
    expect(findPublicKey(key)).toBeUndefined();
  });
});
