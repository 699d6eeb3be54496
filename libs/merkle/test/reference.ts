import { EMPTY_ROOT, hashChildren, type Hash } from '../src/index.ts';

/** RFC 9162 §2.1.1 to §2.1.4 word for word, over leaf hashes. Slow, and obviously right. */
export function referenceRoot(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leaves[0]!;
  const k = split(leaves.length);
  return hashChildren(referenceRoot(leaves.slice(0, k)), referenceRoot(leaves.slice(k)));
}

export function referencePath(index: number, leaves: readonly Hash[]): Hash[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return index < k
    ? [...referencePath(index, leaves.slice(0, k)), referenceRoot(leaves.slice(k))]
    : [...referencePath(index - k, leaves.slice(k)), referenceRoot(leaves.slice(0, k))];
}

export function referenceConsistency(size1: number, leaves: readonly Hash[]): Hash[] {
  return referenceSubtreeConsistency(0, size1, leaves);
}

/** draft-ietf-plants-merkle-tree-certs §4.4.1; with `start` = 0 it is RFC 9162 §2.1.4.1. */
export function referenceSubtreeConsistency(start: number, end: number, leaves: readonly Hash[]): Hash[] {
  return subproof(start, end, leaves, true);
}

function subproof(start: number, end: number, leaves: readonly Hash[], isKnown: boolean): Hash[] {
  if (start === 0 && end === leaves.length) return isKnown ? [] : [referenceRoot(leaves)];
  const k = split(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  if (end <= k) return [...subproof(start, end, left, isKnown), referenceRoot(right)];
  if (start >= k) return [...subproof(start - k, end - k, right, isKnown), referenceRoot(left)];
  return [...subproof(0, end - k, right, false), referenceRoot(left)];
}

/** The largest power of two below `n`. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** All copies of `bytes` that differ in exactly one bit. */
export function* bitFlips(bytes: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const copy = bytes.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    yield copy;
  }
}
