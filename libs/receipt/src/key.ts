import { areEqualBytes } from '@margo-trust/bytes';
import { verifyCoseSign1, type CoseSign1 } from '@margo-trust/cose';
import { CryptoFault, type PublicKey } from '@margo-trust/crypto';
import type { Hash } from '@margo-trust/merkle';
import { ReceiptFault } from './fault.ts';
import type { ReceiptHead } from './head.ts';
import { CHECKPOINT } from './labels.ts';

/** A key that the caller trusts for the receipts of one log. */
export interface ReceiptKey {
  readonly kid: Uint8Array;
  readonly key: PublicKey;
  /** `iss` of its receipts. */
  readonly issuer: string;
  /** The log's name; a key belongs to one log. */
  readonly origin: string;
  /** What the log hashes into a leaf: SHA-256 of the stripped statement, or the stripped statement itself. */
  readonly leafFormat: 'cose-digest' | 'cose-raw';
  /** Trees smaller than this it does not speak for. Default: 0. */
  readonly fromSize?: bigint;
  /** Trees of this size or larger it does not speak for: it has been replaced. Default: none. */
  readonly untilSize?: bigint;
}

/** Those of `keys` that may have signed the receipt: none contradicts what its protected header says. */
export function selectKeys(head: ReceiptHead, keys: readonly ReceiptKey[]): ReceiptKey[] {
  const { kid, issuer, origin } = head;
  const named = kid ? keys.filter((key) => areEqualBytes(key.kid, kid)) : keys;
  if (named.length === 0) throw new ReceiptFault('receipt/unknown-key', 'The receipt is signed by an unknown key.');

  const issued = named.filter((key) => issuer === undefined || issuer === key.issuer);
  if (issued.length === 0) {
    throw new ReceiptFault('receipt/issuer-mismatch', 'The receipt names another issuer than its key.');
  }
  const selected = issued.filter((key) => origin === undefined || origin === key.origin);
  if (selected.length === 0) {
    throw new ReceiptFault('receipt/checkpoint-mismatch', 'The receipt names another log than its key.');
  }
  return selected;
}

/** Throws unless every proof is for the tree size that was signed, if one was. */
export function refuseOtherSize({ signedSize }: ReceiptHead, sizes: readonly bigint[]): void {
  if (signedSize !== undefined && sizes.some((size) => size !== signedSize)) {
    throw new ReceiptFault('receipt/checkpoint-mismatch', `A proof is for another tree size than ${CHECKPOINT} says.`);
  }
}

/** Those of `keys` that speak for trees of all these sizes; `receipt/retired-key` if none does. */
export function refuseRetired(keys: readonly ReceiptKey[], sizes: readonly bigint[]): ReceiptKey[] {
  const speaking = keys.filter(({ fromSize = 0n, untilSize }) =>
    sizes.every((size) => size >= fromSize && (untilSize === undefined || size < untilSize)),
  );
  if (speaking.length > 0) return speaking;
  throw new ReceiptFault(
    'receipt/retired-key',
    'The key that signed the receipt does not speak for a tree of its size.',
  );
}

/** Whether the key signed this tree root. Faults other than a wrong signature pass through. */
export function isSignedRoot(cose: CoseSign1, key: PublicKey, root: Hash): boolean {
  if (cose.payload && !areEqualBytes(cose.payload, root)) return false;
  try {
    verifyCoseSign1(cose, key, { payload: root, understood: [CHECKPOINT] });
    return true;
  } catch (error) {
    if (error instanceof CryptoFault && WRONG.includes(error.code)) return false;
    throw error;
  }
}

export function badSignature(): ReceiptFault {
  return new ReceiptFault('receipt/bad-signature', "The log didn't sign the tree root that the proof leads to.");
}

const WRONG: readonly string[] = ['crypto/bad-signature', 'crypto/algorithm-mismatch'];
