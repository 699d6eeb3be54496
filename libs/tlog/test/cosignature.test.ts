import { describe, expect, it } from 'vitest';
import { encodeHex } from '@margo-trust/bytes';
import { verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import {
  encodeVerifierKey,
  ML_DSA_44_COSIGNATURE,
  parseCosignature,
  parseVerifierKey,
  subtreeToBeSigned,
  verifyNote,
} from '../src/index.ts';
import { logSigner, mlDsaSigner, refusal, SECONDS, witnessSigner } from './signers.ts';

const ORIGIN = 'log.example';
const TEXT = `${ORIGIN}\n42\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n`;
const SUBTREE = { origin: ORIGIN, start: 8n, end: 13n, hash: new Uint8Array(32).fill(0xab) };

describe('the message of an ML-DSA-44 cosigner', () => {
  it('is laid out as the specification says', () => {
    expect(encodeHex(subtreeToBeSigned('w.example/1', 0n, SUBTREE))).toBe(
      [
        '737562747265652f76310a00', // "subtree/v1\n\0"
        '0b772e6578616d706c652f31', // the cosigner's name with its length
        '0000000000000000',
        '0b6c6f672e6578616d706c65',
        '0000000000000008',
        '000000000000000d',
        'ab'.repeat(32),
      ].join(''),
    );
  });

  it.each([
    ['a time for a part of the tree', 'w', 1n, {}],
    ['a range that ends before it starts', 'w', 0n, { end: 7n }],
    ['a size beyond 64 bits', 'w', 0n, { end: 1n << 64n }],
    ['a name of 256 bytes', 'w'.repeat(256), 0n, {}],
    ['a log without name', 'w', 0n, { origin: '' }],
    ['a short hash', 'w', 0n, { hash: new Uint8Array(31) }],
  ])('cannot carry %s', (_, name, seconds, change) => {
    expect(() => subtreeToBeSigned(name, seconds, { ...SUBTREE, ...change })).toThrow(refusal('tlog/bad-subtree'));
  });
});

describe('an ML-DSA-44 cosignature', () => {
  const [log, classic, quantum] = [logSigner(ORIGIN), witnessSigner('w.example'), mlDsaSigner('w.example')];
  const note = { text: TEXT, signatures: [log, classic, quantum].map((signer) => signer.sign(TEXT)) };

  it('counts beside Ed25519 ones', () => {
    expect(verifyNote(note, [log.key, classic.key, quantum.key], verifyMlDsa44)).toEqual([
      log.key,
      classic.key,
      quantum.key,
    ]);
    expect(parseCosignature(note.signatures[2]!.signature).seconds).toBe(SECONDS);
  });

  it('is ignored when its key is not asked for, and never passes unchecked', () => {
    expect(verifyNote(note, [log.key])).toEqual([log.key]);
    expect(() => verifyNote(note, [log.key, quantum.key])).toThrow(refusal('tlog/unsupported-key'));
  });

  it('does not sign extension lines', () => {
    const extended = { text: `${TEXT}more\n`, signatures: [quantum.sign(TEXT)] };
    expect(verifyNote(extended, [quantum.key], verifyMlDsa44)).toEqual([quantum.key]);
  });

  it.each([
    ['size', TEXT.replace('42', '43')],
    ['origin', TEXT.replace('log', 'lag')],
    ['root', TEXT.replace('47DE', '47DF')],
  ])('is wrong for another %s', (_, text) => {
    const other = { text, signatures: [quantum.sign(TEXT)] };
    expect(() => verifyNote(other, [quantum.key], verifyMlDsa44)).toThrow(refusal('tlog/bad-signature'));
  });

  it('is wrong under another name or time, and when it is short', () => {
    const good = quantum.sign(TEXT);
    const renamed = { ...quantum.key, name: 'v.example' };
    const [later, short] = [good.signature.slice(), good.signature.slice(0, -1)];
    later[7]! ^= 1;
    for (const [signature, key] of [
      [{ ...good, name: 'v.example' }, renamed],
      [{ ...good, signature: later }, quantum.key],
      [{ ...good, signature: short }, quantum.key],
      [{ ...good, signature: good.signature.slice(0, 8) }, quantum.key],
    ] as const) {
      const wrong = { text: TEXT, signatures: [signature] };
      expect(() => verifyNote(wrong, [key], verifyMlDsa44)).toThrow(refusal('tlog/bad-signature'));
    }
  });

  it('has a key that comes back from its text', () => {
    const vkey = encodeVerifierKey(quantum.key.name, quantum.key.publicKey, ML_DSA_44_COSIGNATURE);
    expect(parseVerifierKey(vkey)).toEqual(quantum.key);
    expect(() => encodeVerifierKey('w', new Uint8Array(32), ML_DSA_44_COSIGNATURE)).toThrow(
      refusal('tlog/bad-verifier-key'),
    );
  });
});
