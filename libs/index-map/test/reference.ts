import { createHash } from 'node:crypto';

/** The definition of docs/formats.md, "The index map": slow, and obviously right. */
export interface ReferenceEntry {
  readonly leaf: Uint8Array;
  readonly keys: readonly {
    readonly kind: 'vendor' | 'application' | 'digest' | 'certificate';
    readonly value: string;
  }[];
}

const sha256 = (...parts: readonly Uint8Array[]) => createHash('sha256').update(Buffer.concat(parts)).digest();
const number64 = (n: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(n));
  return bytes;
};
const KIND = { vendor: 1, application: 2, digest: 3, certificate: 4 };

export function referenceKey({ kind, value }: ReferenceEntry['keys'][number]): Buffer {
  return sha256(Uint8Array.of(3, KIND[kind]), Buffer.from(value));
}

export function referenceRoot(entries: readonly ReferenceEntry[]): Uint8Array {
  const states = new Map<string, { key: Buffer; count: number; chain: Buffer }>();
  entries.forEach(({ leaf, keys }, index) => {
    for (const named of keys) {
      const key = referenceKey(named);
      const { count, chain } = states.get(key.toString('hex')) ?? { count: 0, chain: key };
      const next = { key, count: count + 1, chain: sha256(Uint8Array.of(2), chain, number64(index), leaf) };
      states.set(key.toString('hex'), next);
    }
  });
  return Uint8Array.from(node([...states.values()], 0).hash);
}

type State = { key: Buffer; count: number; chain: Buffer };

function node(states: readonly State[], depth: number): { hash: Buffer } {
  const [only] = states;
  if (!only) return { hash: Buffer.alloc(32) };
  if (states.length === 1) return { hash: sha256(Uint8Array.of(0), only.key, number64(only.count), only.chain) };
  const isRight = ({ key }: State) => ((key[depth >> 3]! >> (7 - (depth % 8))) & 1) === 1;
  const left = node(
    states.filter((state) => !isRight(state)),
    depth + 1,
  );
  const right = node(states.filter(isRight), depth + 1);
  return { hash: sha256(Uint8Array.of(1), left.hash, right.hash) };
}
