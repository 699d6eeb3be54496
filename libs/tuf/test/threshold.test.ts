import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findSigners, tufKeyId, tufSignature, verifyThreshold, type RoleKeys, type TufKey } from '@margo-trust/tuf';
import { makeSigner, text } from './simulator.ts';

const data = text('what is signed');
const signers = [makeSigner('P-256'), makeSigner('Ed25519'), makeSigner('P-256'), makeSigner('Ed25519')];
const signatures = signers.map((signer) => tufSignature(signer.key, signer.sign(data)));
const keys: Record<string, TufKey> = Object.fromEntries(signers.map(({ key }) => [tufKeyId(key), key]));
const keyids = signers.map(({ key }) => tufKeyId(key));

describe('a threshold', () => {
  it('counts each key once, whatever is signed how often', () => {
    const picks = fc.array(fc.nat(3), { maxLength: 12 });
    fc.assert(
      fc.property(picks, fc.integer({ min: 1, max: 4 }), (picked, threshold) => {
        const file = { signedBytes: data, signatures: picked.flatMap((i) => signatures[i] ?? []) };
        const different = new Set(picked).size;
        expect(findSigners(file, keys, { keyids, threshold })).toHaveLength(different);
        const verify = () => verifyThreshold(file, keys, { keyids, threshold }, 'root');
        if (different >= threshold) expect(verify).not.toThrow();
        else expect(verify).toThrow(expect.objectContaining({ code: 'tuf/threshold-not-met' }));
      }),
    );
  });

  it('counts a key once, under however many ids it is listed', () => {
    const [signer] = signers;
    const twin = { ...signer!.key, 'x-name': 'twin' };
    const aliases: RoleKeys = { keyids: [keyids[0]!, tufKeyId(twin)], threshold: 2 };
    const file = { signedBytes: data, signatures: [signatures[0]!, tufSignature(twin, signer!.sign(data))] };
    expect(findSigners(file, { ...keys, [tufKeyId(twin)]: twin }, aliases)).toEqual([keyids[0]]);
  });

  it('ignores strangers, kinds of key it does not know, and ids that objects have by nature', () => {
    const stranger = makeSigner();
    const unknown = { keytype: 'ml-dsa', scheme: 'ml-dsa-44', keyval: { public: '' } };
    const file = {
      signedBytes: data,
      signatures: [
        tufSignature(stranger.key, stranger.sign(data)),
        tufSignature(unknown, stranger.sign(data)),
        { keyid: 'constructor', sig: '00' },
        signatures[1]!,
      ],
    };
    const role = { keyids: [tufKeyId(unknown), 'constructor', ...keyids], threshold: 1 };
    expect(findSigners(file, { ...keys, [tufKeyId(unknown)]: unknown }, role)).toEqual([keyids[1]]);
  });

  it.each(signatures.map((signature, i) => ({ signature, kind: signers[i]!.key.keytype })))(
    'does not count a $kind signature after any bit of it or of the data flipped',
    ({ signature }) => {
      const role = { keyids, threshold: 1 };
      const flip = (bytes: Uint8Array, bit: number) => {
        const copy = Uint8Array.from(bytes);
        copy[bit >> 3]! ^= 1 << (bit & 7);
        return copy;
      };
      const sig = Uint8Array.from(Buffer.from(signature.sig, 'hex'));
      for (let bit = 0; bit < sig.length * 8; bit++) {
        const flipped = { ...signature, sig: Buffer.from(flip(sig, bit)).toString('hex') };
        expect(findSigners({ signedBytes: data, signatures: [flipped] }, keys, role)).toEqual([]);
      }
      for (let bit = 0; bit < data.length * 8; bit++) {
        expect(findSigners({ signedBytes: flip(data, bit), signatures: [signature] }, keys, role)).toEqual([]);
      }
    },
  );
});
