import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ML_DSA_44, openMlDsa44, verifyMlDsa44 } from '../src/ml-dsa.ts';

const VECTORS = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../test/vectors/tlog/ml-dsa-44/deterministic.json'), 'utf8'),
) as Record<'seed' | 'publicKey' | 'message' | 'signature', string>[];

describe('ML-DSA-44', () => {
  it.each(VECTORS)('agrees with another implementation in keys and signatures', (vector) => {
    const key = openMlDsa44(bytes(vector.seed));
    expect(key.publicKey).toEqual(bytes(vector.publicKey));
    expect(key.sign(bytes(vector.message))).toEqual(bytes(vector.signature));
    verifyMlDsa44(key.publicKey, bytes(vector.message), bytes(vector.signature));
  });

  it('refuses what the key did not sign, and lengths that are not its own', () => {
    const key = openMlDsa44(new Uint8Array(32).fill(1));
    const message = Uint8Array.of(1, 2, 3);
    const signature = key.sign(message);
    const flipped = signature.slice();
    flipped[1000]! ^= 4;
    const wrong = [
      [key.publicKey, Uint8Array.of(1, 2), signature],
      [openMlDsa44(new Uint8Array(32).fill(2)).publicKey, message, signature],
      [key.publicKey, message, flipped],
      [key.publicKey, message, signature.slice(1)],
      [key.publicKey, message, new Uint8Array()],
    ] as const;
    for (const [publicKey, data, claimed] of wrong) {
      expect(() => verifyMlDsa44(publicKey, data, claimed)).toThrow(refusal('crypto/bad-signature'));
    }
    expect(() => verifyMlDsa44(new Uint8Array(32), message, signature)).toThrow(refusal('crypto/bad-key'));
    expect(() => openMlDsa44(new Uint8Array(31))).toThrow(refusal('crypto/bad-key'));
    expect(signature).toHaveLength(ML_DSA_44.signatureBytes);
  });
});

const bytes = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const refusal = (code: string) => expect.objectContaining({ code }) as unknown;
