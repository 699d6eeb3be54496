import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from '@margo-trust/fault';
import {
  cosignatureToBeSigned,
  ED25519_COSIGNATURE,
  ED25519_NOTE,
  encodeCheckpoint,
  encodeCosignature,
  encodeNote,
  encodeVerifierKey,
  parseCheckpoint,
  parseNote,
  parseVerifierKey,
  verifierKeyId,
  verifyLogNote,
  verifyNote,
  type NoteSignature,
  type VerifierKey,
} from '../src/index.ts';

const TEXT = 'log.example\n42\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n';

describe('a signed note', () => {
  const log = makeSigner('log.example', ED25519_NOTE);
  const witness = makeSigner('witness.example/w1', ED25519_COSIGNATURE);
  const stranger = makeSigner('log.example', ED25519_NOTE); // same name, another key
  const both = { text: TEXT, signatures: [log.sign(TEXT), stranger.sign(TEXT), witness.sign(TEXT)] };

  it('is the example of the specification', () => {
    const bytes = utf8(
      'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n' +
        '— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n',
    );
    const note = parseNote(bytes);
    expect(note.text).toBe(
      'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n',
    );
    expect(note.signatures.map((s) => s.name)).toEqual(['quasimodo.example/salvatore']);
    expect(encodeNote(note)).toEqual(bytes);
  });

  it('comes back from its bytes', () => {
    expect(parseNote(encodeNote(both))).toEqual(both);
  });

  it('names the known keys that signed it and ignores the others', () => {
    expect(verifyNote(both, [log.key])).toEqual([log.key]);
    expect(verifyNote(both, [witness.key, log.key])).toEqual([log.key, witness.key]);
  });

  it('counts a key once however often it signs and however often it is asked for', () => {
    const twice = { text: TEXT, signatures: [log.sign(TEXT), log.sign(TEXT)] };
    expect(verifyNote(twice, [log.key, log.key])).toEqual([log.key]);
  });

  it('is of its log by a key that speaks for its size, and by no other', () => {
    const next = makeSigner('log.example', ED25519_NOTE);
    const windows = (at: bigint) => [
      { key: log.key, fromSize: 0n, untilSize: at },
      { key: next.key, fromSize: at },
    ];
    const by = (...signers: (typeof log)[]) => ({ text: TEXT, signatures: signers.map((signer) => signer.sign(TEXT)) });
    expect(verifyLogNote(by(log), windows(43n)).size).toBe(42n);
    expect(verifyLogNote(by(next), windows(42n)).size).toBe(42n);
    for (const at of [42n, 43n]) expect(verifyLogNote(by(log, next), windows(at)).size).toBe(42n);
    expect(() => verifyLogNote(by(log), windows(42n))).toThrow(refusal('tlog/retired-key'));
    expect(() => verifyLogNote(by(next), windows(43n))).toThrow(refusal('tlog/retired-key'));
    expect(() => verifyLogNote(by(stranger), windows(42n))).toThrow(refusal('tlog/unknown-signer'));
    const elsewhere = makeSigner('log.elsewhere', ED25519_NOTE);
    expect(() => verifyLogNote(by(elsewhere), [{ key: elsewhere.key, fromSize: 0n }])).toThrow(
      refusal('tlog/origin-mismatch'),
    );
    const forged = { text: TEXT, signatures: [{ ...log.sign(TEXT), signature: next.sign(TEXT).signature }] };
    expect(() => verifyLogNote(forged, windows(43n))).toThrow(refusal('tlog/bad-signature'));
  });

  it('is refused without a signature of a known key', () => {
    const note = { text: TEXT, signatures: [stranger.sign(TEXT)] };
    expect(() => verifyNote(note, [log.key, witness.key])).toThrow(refusal('tlog/unknown-signer'));
    expect(() => verifyNote(note, [])).toThrow(refusal('tlog/unknown-signer'));
  });

  it('is refused when a known key signed another text, even beside a good signature', () => {
    const note = { text: TEXT, signatures: [log.sign(TEXT), witness.sign(TEXT.replace('42', '43'))] };
    expect(() => verifyNote(note, [log.key, witness.key])).toThrow(refusal('tlog/bad-signature'));
    expect(verifyNote(note, [log.key])).toEqual([log.key]);
  });

  it('does not take a cosignature for a note signature or the other way round', () => {
    const asNote = { ...log.key, type: ED25519_COSIGNATURE };
    expect(() => verifyNote(both, [asNote])).toThrow(refusal('tlog/bad-signature'));
    const asCosignature = { ...witness.key, type: ED25519_NOTE };
    expect(() => verifyNote(both, [asCosignature])).toThrow(refusal('tlog/bad-signature'));
  });

  it('is refused, or loses the signature, when any bit flips', () => {
    const bytes = encodeNote({ text: TEXT, signatures: [log.sign(TEXT), witness.sign(TEXT)] });
    for (const flipped of bitFlips(bytes)) {
      const signers = attempt(() => verifyNote(parseNote(flipped), [log.key, witness.key]));
      expect(signers?.length ?? 0).toBeLessThan(2);
    }
  });

  it.each([
    ['no empty line', `${TEXT}— a b.example QUJDREU=\n`],
    ['no signatures', `${TEXT}\n`],
    ['no final line feed', `${TEXT}\n— b.example QUJDREU=`],
    ['a signature of another dash', `${TEXT}\n- b.example QUJDREU=\n`],
    ['a signature without name', `${TEXT}\n—  QUJDREU=\n`],
    ['a plus sign in a name', `${TEXT}\n— b+c QUJDREU=\n`],
    ['a no-break space in a name', `${TEXT}\n— b\u00a0c QUJDREU=\n`],
    ['only a key hash', `${TEXT}\n— b.example QUJDRA==\n`],
    ['base64 with stray bits', `${TEXT}\n— b.example QUJDREV=\n`],
    ['words after the signature', `${TEXT}\n— b.example QUJDREU= x\n`],
    ['a control character', `a\tb\n\n— b.example QUJDREU=\n`],
    ['101 signatures', `${TEXT}\n${'— b.example QUJDREU=\n'.repeat(101)}`],
  ])('is refused with %s', (_, text) => {
    expect(() => parseNote(utf8(text))).toThrow(refusal('tlog/bad-note'));
  });

  it('is refused when it is not UTF-8 or more than a mebibyte', () => {
    expect(() => parseNote(Uint8Array.of(0xff, 0x0a, 0x0a))).toThrow(refusal('tlog/bad-note'));
    expect(() => parseNote(new Uint8Array((1 << 20) + 1))).toThrow(refusal('tlog/bad-note'));
  });
});

describe('a verifier key', () => {
  it('comes back from its text, with the first bytes of its key id', () => {
    for (const type of [ED25519_NOTE, ED25519_COSIGNATURE]) {
      const { key } = makeSigner('log.example', type);
      const vkey = encodeVerifierKey(key.name, key.publicKey, type);
      expect(parseVerifierKey(vkey)).toEqual(key);
      expect(verifierKeyId(key.name, key.publicKey, type).slice(0, 4)).toEqual(key.keyHash);
    }
  });

  const vkey = 'example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx';
  it.each([
    ['another name', vkey.replace('testdata', 'testdatb'), 'tlog/bad-verifier-key'],
    ['another hash', vkey.replace('33d7', '33d8'), 'tlog/bad-verifier-key'],
    ['an upper-case hash', vkey.replace('33d7', '33D7'), 'tlog/bad-verifier-key'],
    ['no key', 'example.com/log/testdata+33d7b496', 'tlog/bad-verifier-key'],
    ['a short key', 'example.com/log/testdata+33d7b496+AeHTu4Q3', 'tlog/bad-verifier-key'],
    ['an unknown type', vkey.replace('+AeH', '+AuH'), 'tlog/unsupported-key'],
    ['a space in the name', `a ${vkey}`, 'tlog/bad-verifier-key'],
  ])('is refused with %s', (_, text, code) => {
    expect(() => parseVerifierKey(text)).toThrow(refusal(code));
  });
});

describe('a checkpoint', () => {
  it('comes back from its text', () => {
    const checkpoint = { origin: 'log.example', size: (1n << 64n) - 1n, root: new Uint8Array(32), extensions: ['x 1'] };
    expect(parseCheckpoint(encodeCheckpoint(checkpoint))).toEqual(checkpoint);
    expect(parseCheckpoint(TEXT)).toMatchObject({ origin: 'log.example', size: 42n, extensions: [] });
    expect(encodeCheckpoint(parseCheckpoint(TEXT))).toBe(TEXT);
  });

  it.each([
    ['without origin', TEXT.replace('log.example', '')],
    ['without root', 'log.example\n42\n'],
    ['with a size that has leading zeros', TEXT.replace('42', '042')],
    ['with a signed size', TEXT.replace('42', '+42')],
    ['with a size beyond 64 bits', TEXT.replace('42', '18446744073709551616')],
    ['with a short root', TEXT.replace('47DE', '')],
    ['with an empty extension', `${TEXT}\nx\n`],
    ['without the last line feed', TEXT.slice(0, -1)],
  ])('is refused %s', (_, text) => {
    expect(() => parseCheckpoint(text)).toThrow(refusal('tlog/bad-checkpoint'));
  });

  it.each([
    ['an origin of two lines', { origin: 'a\nb' }],
    ['a negative size', { size: -1n }],
    ['a short root', { root: new Uint8Array(31) }],
    ['an empty extension', { extensions: [''] }],
  ])('is not made from %s', (_, change) => {
    expect(() => encodeCheckpoint({ ...parseCheckpoint(TEXT), ...change })).toThrow(refusal('tlog/bad-checkpoint'));
  });
});

describe('any bytes', () => {
  it('give a value or a fault', () => {
    const pieces = fc.constantFrom('\n', '\n\n', '— ', 'a', ' ', 'QUJDREU=', '+', '1', '\ud800', 'é', '\t');
    fc.assert(
      fc.property(
        fc.array(pieces).map((p) => p.join('')),
        (text) => {
          attempt(() => parseNote(utf8(text)));
          attempt(() => parseVerifierKey(text));
          attempt(() => parseCheckpoint(text));
        },
      ),
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void attempt(() => parseNote(bytes))));
  });
});

function makeSigner(name: string, type: number): { key: VerifierKey; sign(text: string): NoteSignature } {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }).subarray(12));
  const keyHash = verifierKeyId(name, raw, type).slice(0, 4);
  const signBytes = (data: Uint8Array, key: KeyObject) => new Uint8Array(sign(null, data, key));
  return {
    key: { name, keyHash, type, publicKey: raw },
    sign: (text) => ({
      name,
      keyHash,
      signature:
        type === ED25519_NOTE
          ? signBytes(utf8(text), privateKey)
          : encodeCosignature(1679315147n, signBytes(cosignatureToBeSigned(text, 1679315147n), privateKey)),
    }),
  };
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function* bitFlips(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = bytes.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    yield copy;
  }
}

const utf8 = (text: string) => new Uint8Array(Buffer.from(text, 'utf8'));
const refusal = (code: string) => expect.objectContaining({ code });
