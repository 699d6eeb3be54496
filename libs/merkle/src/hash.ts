import { areEqualBytes } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { MerkleFault } from './fault.ts';

/** 32 bytes of SHA-256. */
export type Hash = Uint8Array;

export const HASH_BYTES = 32;

/** The root of a tree without leaves: SHA-256 of nothing (RFC 9162 §2.1.1). Don't write to it. */
export const EMPTY_ROOT: Hash = sha256(new Uint8Array(0));

/** The hash of a leaf that holds `entry`: SHA-256(0x00 ‖ entry) (RFC 9162 §2.1.1). */
export function hashLeaf(entry: Uint8Array): Hash {
  const input = new Uint8Array(1 + entry.length); // zero-filled: the leaf prefix is already there
  input.set(entry, 1);
  return sha256(input);
}

/**
 * The hash of an inner node: SHA-256(0x01 ‖ left ‖ right) (RFC 9162 §2.1.1).
 *
 * Both must be 32 bytes long: with other lengths two different pairs would share one hash.
 */
export function hashChildren(left: Hash, right: Hash): Hash {
  refuseBadHash(left);
  refuseBadHash(right);
  node.set(left, 1);
  node.set(right, 1 + HASH_BYTES);
  return sha256(node);
}

/** Where {@link hashChildren} puts its prefix and the two hashes, each time anew. */
const node = new Uint8Array(1 + 2 * HASH_BYTES);
node[0] = 1;

export function refuseBadHash(hash: Hash): void {
  if (hash.length !== HASH_BYTES) {
    throw new MerkleFault('merkle/bad-hash', `A tree hash has ${HASH_BYTES} bytes, this one has ${hash.length}.`);
  }
}

export function refuseOtherRoot(computed: Hash, claimed: Hash): void {
  if (!areEqualBytes(computed, claimed)) {
    throw new MerkleFault('merkle/root-mismatch', 'The path leads to another tree root than the one claimed.');
  }
}
