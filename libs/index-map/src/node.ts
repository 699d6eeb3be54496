import { sha256 } from '@margo-trust/crypto';
import type { Hash } from '@margo-trust/merkle';

/**
 * Bytes of a key's record: key (32), count (8, big-endian), chain (32), index of the first entry (8, big-endian). The last
 * is no part of the leaf: it only spares whoever stores the map a row for each key that has one entry.
 */
export const RECORD_BYTES = 80;
export const LEAF_BYTES = 72;

/** A subtree that holds a key. None for a subtree that holds nothing. */
export interface Node {
  readonly hash: Hash;
  /** It holds one key alone. */
  readonly isLeaf: boolean;
}

/** The hash of a subtree that holds nothing, and the root of an empty map. Don't write to it. */
export const EMPTY: Hash = new Uint8Array(32);

/** SHA-256(0x00 ‖ key ‖ count ‖ chain), from the first {@link LEAF_BYTES} of a record. */
export function hashRecord(record: Uint8Array): Hash {
  const input = new Uint8Array(1 + LEAF_BYTES);
  input.set(record.length === LEAF_BYTES ? record : record.subarray(0, LEAF_BYTES), 1);
  return sha256(input);
}

/** SHA-256(0x01 ‖ left ‖ right). */
export function hashInner(left: Hash, right: Hash): Hash {
  const input = new Uint8Array(65);
  input[0] = 1;
  input.set(left, 1);
  input.set(right, 33);
  return sha256(input);
}

/** SHA-256(0x02 ‖ previous ‖ index ‖ leaf): one more entry of a key. `previous` is the key itself before its first entry. */
export function hashLink(previous: Hash, index: bigint, leaf: Hash): Hash {
  const input = new Uint8Array(73);
  input[0] = 2;
  input.set(previous, 1);
  new DataView(input.buffer).setBigUint64(33, index);
  input.set(leaf, 41);
  return sha256(input);
}

/** The node above two. A key alone below a node stands for it: paths are as long as keys have beginnings in common. */
export function join(left: Node | undefined, right: Node | undefined): Node | undefined {
  if (!left) return !right || right.isLeaf ? right : { hash: hashInner(EMPTY, right.hash), isLeaf: false };
  if (!right) return left.isLeaf ? left : { hash: hashInner(left.hash, EMPTY), isLeaf: false };
  return { hash: hashInner(left.hash, right.hash), isLeaf: false };
}

/** The node at `depth` over records `from` to before `to`, which are sorted and have `depth` bits in common. */
export function nodeOfRecords(records: Uint8Array, from: number, to: number, depth: number): Node | undefined {
  if (from === to) return undefined;
  if (to - from === 1) return { hash: hashRecord(recordAt(records, from)), isLeaf: true };
  const middle = firstOfRight(records, from, to, depth);
  return join(nodeOfRecords(records, from, middle, depth + 1), nodeOfRecords(records, middle, to, depth + 1));
}

/** The first of the records whose key has a one at `depth`. */
export function firstOfRight(records: Uint8Array, from: number, to: number, depth: number): number {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (bitAt(recordAt(records, middle), depth) === 1) high = middle;
    else low = middle + 1;
  }
  return low;
}

export function recordAt(records: Uint8Array, n: number): Uint8Array {
  return records.subarray(n * RECORD_BYTES, (n + 1) * RECORD_BYTES);
}

/** Bits of a key count from the most significant one of its first byte. */
export function bitAt(key: Uint8Array, depth: number): 0 | 1 {
  return (((key[depth >> 3] ?? 0) >> (7 - (depth & 7))) & 1) as 0 | 1;
}
