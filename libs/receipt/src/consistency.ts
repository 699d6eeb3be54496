import { parseCoseSign1, type CoseSign1 } from '@margo-trust/cose';
import { MerkleFault, rootFromConsistency, type Hash } from '@margo-trust/merkle';
import { ReceiptFault } from './fault.ts';
import { parseHead, type ReceiptHead } from './head.ts';
import { MAX_RECEIPT_BYTES } from './inclusion.ts';
import { badSignature, isSignedRoot, refuseOtherSize, refuseRetired, selectKeys, type ReceiptKey } from './key.ts';
import { parseConsistencyProofs, type ConsistencyProof } from './proof.ts';

/** A receipt of consistency. `size1`, `size2` and `path` are those of the first proof; hardly any has another. */
export interface ConsistencyReceipt extends ReceiptHead, ConsistencyProof {
  readonly cose: CoseSign1;
  readonly proofs: readonly ConsistencyProof[];
}

/** The newer tree that a receipt of consistency shows. */
export interface VerifiedTree {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Hash;
  readonly issuer: string;
  readonly issuedAt?: Date;
}

/** Reads a receipt of consistency (RFC 9942 §5.3.1), at most 64 KiB. Nothing is verified. */
export function parseConsistencyReceipt(bytes: Uint8Array): ConsistencyReceipt {
  const cose = parseCoseSign1(bytes, { maxBytes: MAX_RECEIPT_BYTES });
  const head = parseHead(cose.protectedHeader);
  const proofs = parseConsistencyProofs(cose.unprotectedHeader);
  return { cose, ...head, ...proofs[0], proofs };
}

/**
 * Checks that the log of one of `keys` signed a tree that begins with the `older` one, and returns that tree.
 *
 * The caller trusts `older` already. The newer root is computed from it, so an attached payload must equal it and a
 * detached one needs nothing else (RFC 9942 §5.3.1). Without `margo.checkpoint` the size of the newer tree isn't signed.
 */
export function verifyConsistencyReceipt(
  receipt: Uint8Array,
  older: { readonly size: bigint; readonly root: Hash },
  keys: readonly ReceiptKey[],
): VerifiedTree {
  const parsed = parseConsistencyReceipt(receipt);
  const named = selectKeys(parsed, keys);
  const sizes = parsed.proofs.map((proof) => proof.size2);
  refuseOtherSize(parsed, sizes);
  const candidates = refuseRetired(named, sizes);
  const proof = parsed.proofs.find(({ size1 }) => size1 === older.size);
  if (!proof) throw new ReceiptFault('receipt/not-consistent', `No proof begins at ${older.size} leaves.`);
  const root = claimedRoot(older.root, proof);
  for (const { key, issuer, origin } of candidates) {
    if (!isSignedRoot(parsed.cose, key, root)) continue;
    return {
      origin,
      size: proof.size2,
      root,
      issuer,
      ...(parsed.issuedAt ? { issuedAt: parsed.issuedAt } : {}),
    };
  }
  throw badSignature();
}

function claimedRoot(olderRoot: Hash, { size1, size2, path }: ConsistencyProof): Hash {
  try {
    return rootFromConsistency(size1, olderRoot, size2, path);
  } catch (cause) {
    if (cause instanceof MerkleFault) throw new ReceiptFault('receipt/not-consistent', cause.message, { cause });
    throw cause;
  }
}
