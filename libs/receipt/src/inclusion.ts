import { parseCoseSign1, type CoseSign1 } from '@margo-trust/cose';
import { hashLeaf, MerkleFault, rootFromInclusion, type Hash } from '@margo-trust/merkle';
import { ReceiptFault } from './fault.ts';
import { parseHead, type ReceiptHead } from './head.ts';
import { badSignature, isSignedRoot, refuseOtherSize, refuseRetired, selectKeys, type ReceiptKey } from './key.ts';
import { parseInclusionProofs, type InclusionProof } from './proof.ts';

/** A receipt of inclusion. `size`, `index` and `path` are those of the first proof; hardly any has another. */
export interface Receipt extends ReceiptHead, InclusionProof {
  readonly cose: CoseSign1;
  readonly proofs: readonly InclusionProof[];
}

/** What a receipt shows. */
export interface VerifiedReceipt {
  /** The log. */
  readonly origin: string;
  /**
   * Leaves of the tree, and the leaf's index from zero. Signed only if the receipt carries `margo.checkpoint`, as ours
   * do; other proofs may fit trees of other sizes too (RFC 9942 signs the root alone).
   */
  readonly size: bigint;
  readonly index: bigint;
  readonly root: Hash;
  readonly issuer: string;
  /** What the log says; absent if it says nothing. */
  readonly issuedAt?: Date;
}

/** The two things a log may hash into a leaf; a Statement of libs/statement has both. */
export interface LoggedStatement {
  /** The statement with empty unprotected header. */
  readonly stripped: Uint8Array;
  /** Its SHA-256. */
  readonly entry: Uint8Array;
}

/** Reads a receipt of inclusion for an RFC9162_SHA256 tree (RFC 9942 §5.2.1), at most 64 KiB. Nothing is verified. */
export function parseReceipt(bytes: Uint8Array): Receipt {
  const cose = parseCoseSign1(bytes, { maxBytes: MAX_RECEIPT_BYTES });
  const head = parseHead(cose.protectedHeader);
  const proofs = parseInclusionProofs(cose.unprotectedHeader);
  return { cose, ...head, ...proofs[0], proofs };
}

/**
 * Checks that the log of one of `keys` holds the statement, and says where.
 *
 * In this order: what the protected header says about key, issuer, log and size; the tree root that the proof leads
 * to from the statement; the signature over that root (RFC 9942 §5.2.1). Third-party receipts may lack claims and
 * `kid`, then each key is tried. A key speaks only for trees in its window (`receipt/retired-key`). It says nothing about who signed the statement.
 */
export function verifyReceipt(
  receipt: Uint8Array,
  statement: LoggedStatement,
  keys: readonly ReceiptKey[],
): VerifiedReceipt {
  const parsed = parseReceipt(receipt);
  const named = selectKeys(parsed, keys);
  const sizes = parsed.proofs.map((proof) => proof.size);
  refuseOtherSize(parsed, sizes);
  const candidates = refuseRetired(named, sizes);
  for (const { key, issuer, origin, leafFormat } of candidates) {
    const leaf = hashLeaf(leafFormat === 'cose-digest' ? statement.entry : statement.stripped);
    for (const proof of parsed.proofs) {
      const root = claimedRoot(leaf, proof);
      if (!isSignedRoot(parsed.cose, key, root)) continue;
      const { size, index } = proof;
      return { origin, size, index, root, issuer, ...(parsed.issuedAt ? { issuedAt: parsed.issuedAt } : {}) };
    }
  }
  throw badSignature();
}

function claimedRoot(leaf: Hash, { size, index, path }: InclusionProof): Hash {
  try {
    return rootFromInclusion(leaf, index, size, path);
  } catch (cause) {
    if (cause instanceof MerkleFault) throw new ReceiptFault('receipt/not-included', cause.message, { cause });
    throw cause;
  }
}

export const MAX_RECEIPT_BYTES = 65_536;
