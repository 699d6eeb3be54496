import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { encodeVerifierKey, parseVerifierKey, verifierKeyFromSpki, verifierKeySpki } from '../src/index.ts';
import { logSigner, mlDsaSigner, refusal, witnessSigner } from './signers.ts';

const spkiOf = (key: { export(options: { type: 'spki'; format: 'der' }): Buffer }) =>
  new Uint8Array(key.export({ type: 'spki', format: 'der' }));

describe('the key of a log as SubjectPublicKeyInfo', () => {
  it('is what Node writes of an Ed25519 key', () => {
    const spki = spkiOf(generateKeyPairSync('ed25519').publicKey);
    const key = verifierKeyFromSpki('log.example', spki);
    expect(key).toEqual(parseVerifierKey(encodeVerifierKey('log.example', spki.slice(-32))));
    expect(verifierKeySpki(key)).toEqual(spki);
  });

  it('is what RFC 9881 shows of an ML-DSA-44 key', () => {
    const { key } = mlDsaSigner('log.example');
    const spki = verifierKeySpki(key);
    // Its example of a public key begins with this, up to the key itself.
    expect(Buffer.from(spki).toString('base64')).toMatch(/^MIIFMjALBglghkgBZQMEAxEDggUhA[A-P]/);
    expect(spki.slice(22)).toEqual(key.publicKey);
    expect(verifierKeyFromSpki('log.example', spki)).toEqual(key);
  });

  it('is refused for every other key, and for one that is cut or has more behind it', () => {
    const [note, quantum] = [logSigner('log.example').key, mlDsaSigner('log.example').key].map(verifierKeySpki);
    const other = [
      spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey),
      spkiOf(generateKeyPairSync('ed448').publicKey),
      ...[note!, quantum!].flatMap((spki) => [spki.slice(0, -1), Uint8Array.of(...spki, 0), spki.slice(1)]),
      Uint8Array.of(...note!.slice(0, 12), ...quantum!.slice(22)),
      new Uint8Array(),
    ];
    for (const spki of other) {
      expect(() => verifierKeyFromSpki('log.example', spki)).toThrow(refusal('tlog/unsupported-key'));
    }
    expect(() => verifierKeySpki(witnessSigner('w.example').key)).toThrow(refusal('tlog/unsupported-key'));
  });
});
