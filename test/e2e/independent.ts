/**
 * A small verifier of receipts that shares no code with the product: RFC 9942 and RFC 9162 by hand over `cborg` and
 * node:crypto. Our own code agreeing with itself would prove little.
 */
import { createHash, createPublicKey, verify, type KeyObject } from 'node:crypto';
import { decode, encode } from 'cborg';

const tags = Object.fromEntries([18, 1].map((tag) => [tag, (content: () => unknown) => content()])) as never;
const options = { useMaps: true, tags };

export interface ReadReceipt {
  readonly size: number;
  readonly index: number;
  readonly root: Buffer;
}

/** The keys of /.well-known/scitt-keys by kid in hex. */
export function readKeys(keySet: Uint8Array): Map<string, KeyObject> {
  const keys = decode(keySet, options) as Map<number, unknown>[];
  return new Map(
    keys.map((key) => {
      const [x, y] = [key.get(-2), key.get(-3)].map((part) => Buffer.from(part as Uint8Array).toString('base64url'));
      const jwk = { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' };
      return [Buffer.from(key.get(2) as Uint8Array).toString('hex'), createPublicKey({ key: jwk, format: 'jwk' })];
    }),
  );
}

/** Checks a receipt for the statement whose SHA-256 without unprotected header is `entry`; throws when it does not hold. */
export function checkReceipt(
  receipt: Uint8Array,
  entry: Uint8Array,
  keys: ReadonlyMap<string, KeyObject>,
): ReadReceipt {
  const [protectedBytes, unprotected, payload, signature] = decode(receipt, options) as [
    Uint8Array,
    Map<number, unknown>,
    unknown,
    Uint8Array,
  ];
  if (payload !== null) throw new Error('The payload of a receipt is detached.');
  const header = decode(protectedBytes, options) as Map<unknown, unknown>;
  if (header.get(1) !== -7 || header.get(395) !== 1) throw new Error('Not an ES256 receipt over an RFC 9162 tree.');
  const proofs = (unprotected.get(396) as Map<number, Uint8Array[]>).get(-1);
  const [size, index, path] = decode(proofs?.[0] ?? new Uint8Array(), options) as [number, number, Uint8Array[]];
  const root = rootOf(leafHash(entry), index, size, path);
  const key = keys.get(Buffer.from(header.get(4) as Uint8Array).toString('hex'));
  const signed = encode(['Signature1', protectedBytes, new Uint8Array(), root]);
  if (!key || !verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, signature)) {
    throw new Error('The signature of the receipt does not verify.');
  }
  return { size, index, root };
}

export function leafHash(entry: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.of(0)).update(entry).digest();
}

/** The roots of all prefixes whose sizes are asked for, from the leaves. */
export function prefixRoots(leaves: readonly Buffer[], sizes: ReadonlySet<number>): Map<number, Buffer> {
  const roots = new Map<number, Buffer>();
  const stack: { height: number; hash: Buffer }[] = [];
  leaves.forEach((leaf, i) => {
    stack.push({ height: 0, hash: leaf });
    for (let top = stack.at(-2); top && top.height === stack.at(-1)?.height; top = stack.at(-2)) {
      const right = stack.pop();
      stack.splice(-1, 1, { height: top.height + 1, hash: node(top.hash, right?.hash ?? top.hash) });
    }
    if (sizes.has(i + 1))
      roots.set(
        i + 1,
        stack.map(({ hash }) => hash).reduceRight((right, left) => node(left, right)),
      );
  });
  return roots;
}

/** Recursive definition of RFC 9162 §2.1.3.1, read backwards. */
function rootOf(leaf: Buffer, index: number, size: number, path: readonly Uint8Array[]): Buffer {
  if (size === 1) {
    if (path.length > 0) throw new Error('The path is too long.');
    return leaf;
  }
  const sibling = path.at(-1);
  if (!sibling) throw new Error('The path is too short.');
  let left = 1;
  while (left * 2 < size) left *= 2;
  const rest = path.slice(0, -1);
  return index < left
    ? node(rootOf(leaf, index, left, rest), sibling)
    : node(sibling, rootOf(leaf, index - left, size - left, rest));
}

function node(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest();
}
