import { readdirSync, readFileSync } from 'node:fs';
import { parseBase64Url, parseHex } from '@margo-trust/bytes';
import type { CborValue } from '@margo-trust/cbor';
import { verifySignature, type PublicKey } from '@margo-trust/crypto';
import { describe, expect, it } from 'vitest';
import { parseCoseKey, parseCoseSign1, prepareCheck, toBeSigned, verifyCoseSign1 } from '../src/index.ts';

/** github.com/cose-wg/Examples; provenance in test/vectors/README.md. */
const FOLDER = new URL('../../../test/vectors/cose/cose-wg-examples/', import.meta.url);

/**
 * The examples that we judge otherwise than the working group, or that it wants refused: with the code and the reason.
 * Every other example must verify.
 */
const REFUSED: Readonly<Record<string, { readonly code: string; readonly why: string }>> = {
  'sign1-tests/sign-fail-01.json': { code: 'cose/malformed', why: 'wrong tag' },
  'sign1-tests/sign-fail-02.json': { code: 'crypto/bad-signature', why: 'changed signature' },
  'sign1-tests/sign-fail-03.json': { code: 'cose/unsupported-algorithm', why: 'algorithm -999' },
  'sign1-tests/sign-fail-04.json': { code: 'cose/unsupported-algorithm', why: 'algorithm "unknown"' },
  'sign1-tests/sign-fail-06.json': { code: 'crypto/bad-signature', why: 'protected parameter added' },
  'sign1-tests/sign-fail-07.json': { code: 'crypto/bad-signature', why: 'protected parameter removed' },
  'sign1-tests/sign-pass-01.json': { code: 'cose/malformed', why: 'stricter: the algorithm must be protected' },
  'sign1-tests/sign-pass-03.json': { code: 'cose/malformed', why: 'stricter: tag 18 is required (RFC 9943 §6)' },
  'ecdsa-examples/ecdsa-sig-04.json': { code: 'crypto/algorithm-mismatch', why: 'stricter: ES512 goes with P-521' },
  'eddsa-examples/eddsa-sig-02.json': { code: 'cose/unsupported-key', why: 'Ed448 is not supported' },
};

describe('the working group’s COSE_Sign1 examples', () => {
  const sign1 = examples().filter(({ input }) => input.sign0);
  it('are all there', () => expect(sign1).toHaveLength(16));

  it.each(sign1.filter(({ file }) => !REFUSED[file]))('accepts $file: $title', (example) => {
    const message = parseCoseSign1(parseHex(example.output.cbor));
    const key = keyOf(example);
    const options = { externalAad: externalOf(example) };
    expect(prepareCheck(message, key, options).data).toEqual(parseHex(example.intermediates.ToBeSign_hex));
    verifyCoseSign1(message, key, options);
  });

  it.each(sign1.filter(({ file }) => REFUSED[file]))('refuses $file: $title', (example) => {
    const attempt = () => {
      const message = parseCoseSign1(parseHex(example.output.cbor));
      verifyCoseSign1(message, keyOf(example), { externalAad: externalOf(example) });
    };
    expect(attempt).toThrow(expect.objectContaining({ code: REFUSED[example.file]!.code }));
  });

  // What sign-pass-01 is about: an empty map, sent as a0, is signed as the empty string (RFC 9052 §4.4).
  it('signs an empty protected header as the empty string', () => {
    const example = sign1.find(({ file }) => file === 'sign1-tests/sign-pass-01.json')!;
    const { protectedBytes, payload, signature } = parseCoseSign1(parseHex(example.output.cbor));
    expect(protectedBytes).toEqual(Uint8Array.of(0xa0));
    const data = toBeSigned(protectedBytes, payload!);
    expect(data).toEqual(parseHex(example.intermediates.ToBeSign_hex));
    verifySignature({ algorithm: 'ES256', key: keyOf(example), data, signature });
  });

  it('accepts sign-pass-03 once it has its tag', () => {
    const example = sign1.find(({ file }) => file === 'sign1-tests/sign-pass-03.json')!;
    verifyCoseSign1(parseCoseSign1(parseHex(`d2${example.output.cbor}`)), keyOf(example));
  });

  it('refuses sign-pass-02 without its external data', () => {
    const example = sign1.find(({ file }) => file === 'sign1-tests/sign-pass-02.json')!;
    const message = parseCoseSign1(parseHex(example.output.cbor));
    expect(() => verifyCoseSign1(message, keyOf(example))).toThrow(
      expect.objectContaining({ code: 'crypto/bad-signature' }),
    );
  });

  // COSE_Sign has several signers and another structure; no document of this field uses it.
  it.each(examples().filter(({ input }) => !input.sign0))('refuses the COSE_Sign of $file', (example) => {
    expect(() => parseCoseSign1(parseHex(example.output.cbor))).toThrow(
      expect.objectContaining({ code: 'cose/malformed' }),
    );
  });
});

interface Example {
  readonly file: string;
  readonly title: string;
  readonly input: { readonly sign0?: { readonly key: Record<string, string>; readonly external?: string } };
  readonly intermediates: { readonly ToBeSign_hex: string };
  readonly output: { readonly cbor: string };
}

function examples(): Example[] {
  return ['RFC8152', 'sign1-tests', 'ecdsa-examples', 'eddsa-examples', 'x509-examples'].flatMap((folder) =>
    readdirSync(new URL(folder, FOLDER))
      .filter((name) => name.endsWith('.json'))
      .map((name) => {
        const file = `${folder}/${name}`;
        return { file, ...JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) } as Example;
      }),
  );
}

/** A number written `x_hex` or, in base64url, `x`. */
function numberOf(key: Record<string, string>, name: 'x' | 'y'): Uint8Array {
  const hex = key[`${name}_hex`];
  return hex === undefined ? parseBase64Url(key[name]!) : parseHex(hex);
}

/** By way of a COSE_Key, so that it is judged as one from outside would be. */
function keyOf({ input }: Example): PublicKey {
  const key = input.sign0!.key;
  const map = new Map<CborValue, CborValue>();
  map.set(1, key.kty === 'OKP' ? 1 : 2);
  map.set(-1, CURVES[key.crv!]);
  map.set(-2, numberOf(key, 'x'));
  if (key.kty !== 'OKP') map.set(-3, numberOf(key, 'y'));
  return parseCoseKey(map).key;
}

function externalOf({ input }: Example): Uint8Array {
  return parseHex(input.sign0!.external ?? '');
}

const CURVES: Readonly<Record<string, number>> = { 'P-256': 1, 'P-384': 2, 'P-521': 3, Ed25519: 6, Ed448: 7 };
