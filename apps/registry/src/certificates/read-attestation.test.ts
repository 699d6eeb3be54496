import { readFileSync } from 'node:fs';
import { parsePublicKey } from '@margo-trust/crypto';
import { makeKey } from '@margo-trust/testkit';
import { encodePem, parseCertificate, parsePem } from '@margo-trust/x509';
import { describe, expect, it } from 'vitest';
import { readAttestation } from './read-attestation.ts';

const vector = (name: string) =>
  readFileSync(new URL(`../../../../test/vectors/yubikey/attestation-${name}.pem`, import.meta.url), 'utf8');
const der = (pem: string) => parsePem('CERTIFICATE', pem)[0]!;
const keyOf = (pem: string) => parsePublicKey(parseCertificate(der(pem)).spki);

/** Of a YubiKey 5 FIPS whose owner has published them: see test/vectors/README.md. */
const [p256, rsa, intermediate, root] = [vector('9a'), vector('9c'), vector('intermediate'), vector('root')];
const AT = new Date('2026-11-26T12:00:00Z');
const read = (chain: string, key = keyOf(p256), roots = [der(root)], at = AT) => readAttestation(chain, key, roots, at);
const refusal = (reason: RegExp) =>
  expect.objectContaining({
    code: 'certificate/attestation-refused',
    message: expect.stringMatching(reason) as string,
  });

describe('readAttestation', () => {
  it('reads what a real YubiKey says of a key in slot 9a, and of one in 9c', () => {
    expect(read(p256 + intermediate)).toEqual({
      device: 'yubikey-piv',
      fingerprint: parseCertificate(der(p256)).fingerprint,
      firmware: '5.4.3',
      pinPolicy: 'once',
      touchPolicy: 'never',
    });
    expect(read(rsa + intermediate, keyOf(rsa))).toMatchObject({ firmware: '5.4.3', pinPolicy: 'always' });
  });

  it.each<[string, () => unknown, RegExp]>([
    ['of another key', () => read(rsa + intermediate), /another key/],
    ['of a key that is not there', () => read(p256 + intermediate, makeKey('P-256').publicKey), /another key/],
    ['without the intermediate certificate', () => read(p256), /no maker/],
    ['of a maker that is not known', () => read(p256 + intermediate, keyOf(p256), [der(rsa)]), /no maker/],
    ['where no maker is known', () => read(p256 + intermediate, keyOf(p256), []), /knows no maker/],
    [
      'from before the device was born',
      () => read(p256 + intermediate, keyOf(p256), [der(root)], new Date(0)),
      /no maker/,
    ],
    ['of the device itself', () => read(intermediate, keyOf(intermediate)), /not the attestation of a key/],
    ['of the maker', () => read(root, keyOf(root)), /not the attestation of a key/],
    ['in a crowd', () => read(p256 + intermediate.repeat(5)), /too many/],
    ['that is none', () => read('x'), /no maker/],
    ['that is empty', () => read(encodePem('CERTIFICATE', new Uint8Array())), /no maker/],
  ])('refuses one %s', (_, attempt, reason) => {
    expect(attempt).toThrow(refusal(reason));
  });

  it('refuses one with a bit flipped anywhere', () => {
    const whole = der(p256);
    for (let at = 0; at < whole.length; at += 3) {
      const flipped = Uint8Array.from(whole);
      flipped[at]! ^= 1 << (at % 8);
      expect(() => read(encodePem('CERTIFICATE', flipped) + intermediate), `octet ${at}`).toThrow(refusal(/./));
    }
  });
});
