import { createHash, type KeyObject } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';

/** SEC 2 and RFC 8032: the orders of the groups. */
export const ORDERS = {
  'P-256': 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  Ed25519: 2n ** 252n + 27742317777372353535851937790883648493n,
};

export function spkiOf(publicKey: KeyObject): Uint8Array {
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
}

/** An element below 128 bytes. */
export function der(tag: number, ...contents: Uint8Array[]): Uint8Array {
  const content = Buffer.concat(contents);
  const head = content.length < 0x80 ? [content.length] : [0x81, content.length];
  return Uint8Array.of(tag, ...head, ...content);
}

/** ECDSA-Sig-Value of r ‖ s. */
export function derOfRaw(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  return der(0x30, integer(raw.slice(0, half)), integer(raw.slice(half)));
}

export function rawOfNumbers(r: bigint, s: bigint, bytes: number): Uint8Array {
  const digits = [r, s].map((number) => number.toString(16).padStart(2 * bytes, '0'));
  return new Uint8Array(Buffer.from(digits.join(''), 'hex'));
}

/** One copy for each bit, with that bit flipped. */
export function flipped(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length * 8 }, (_, bit) => {
    const copy = Uint8Array.from(bytes);
    copy[bit >> 3]! ^= 1 << (bit & 7);
    return copy;
  });
}

/** An Ed25519 signature whose R carries a point of order eight: [8][S]B = [8]R + [8][k]A, but not without the eights. */
export function cofactoredSignature(data: Uint8Array): { x: Uint8Array; signature: Uint8Array } {
  const { Point } = ed25519;
  const [secret, nonce] = [0x5ec2e7n, 0x4e04cen];
  const torsion = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
  const x = Point.BASE.multiply(secret).toBytes();
  const r = Point.BASE.multiply(nonce).add(torsion).toBytes();
  const digest = createHash('sha512').update(r).update(x).update(data).digest();
  const s = (nonce + BigInt(`0x${digest.reverse().toString('hex')}`) * secret) % ORDERS.Ed25519;
  return { x, signature: Uint8Array.of(...r, ...Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()) };
}

function integer(magnitude: Uint8Array): Uint8Array {
  const start = magnitude.findIndex((byte) => byte > 0);
  const short = magnitude.slice(start);
  return short[0]! >= 0x80 ? der(0x02, Uint8Array.of(0), short) : der(0x02, short);
}
