import { encodeCoseSign1, parseCoseSign1, type CoseSign1 } from '@margo-trust/cose';
import type { Hash } from '@margo-trust/merkle';
import { encodeReceipt } from './assemble.ts';
import type { VerifiedTree } from './consistency.ts';
import { ReceiptFault } from './fault.ts';
import { malformed, parseHead, type ReceiptHead } from './head.ts';
import { MAX_RECEIPT_BYTES } from './inclusion.ts';
import { badSignature, isSignedRoot, refuseRetired, selectKeys, type ReceiptKey } from './key.ts';

/**
 * What all receipts of one tree size have in common, as a message of its own: their protected header and signature, and the
 * tree root, which receipts leave out, as payload. With it and the log's tiles anyone assembles receipts.
 */
export interface SignedRoot extends ReceiptHead {
  readonly cose: CoseSign1;
  readonly root: Hash;
  /** Of the label `margo.checkpoint`, without which no receipt could say its size. */
  readonly origin: string;
  readonly signedSize: bigint;
}

/** The message, tag 18 with an empty unprotected header. Nothing is checked: sign what you committed. */
export function encodeSignedRoot(parts: {
  /** As `encodeReceiptProtected` made them. */
  readonly protectedBytes: Uint8Array;
  /** Over `receiptToBeSigned`; ECDSA as r ‖ s. */
  readonly signature: Uint8Array;
  readonly root: Hash;
}): Uint8Array {
  const { protectedBytes, signature, root } = parts;
  return encodeCoseSign1({ protectedBytes, unprotectedHeader: new Map(), payload: root, signature });
}

/** Reads a signed root, at most 64 KiB. Nothing is verified. */
export function parseSignedRoot(bytes: Uint8Array): SignedRoot {
  const cose = parseCoseSign1(bytes, { maxBytes: MAX_RECEIPT_BYTES });
  const { origin, signedSize, ...head } = parseHead(cose.protectedHeader);
  if (cose.payload?.length !== 32) throw malformed('The payload is not a tree root.');
  if (origin === undefined || signedSize === undefined) throw malformed('The signed root says no log and size.');
  return { cose, ...head, root: cose.payload, origin, signedSize };
}

/** Checks that the log of one of `keys` signed the root. */
export function verifySignedRoot(bytes: Uint8Array, keys: readonly ReceiptKey[]): VerifiedTree {
  const { cose, root, signedSize, issuedAt, ...head } = parseSignedRoot(bytes);
  for (const { key, issuer, origin } of refuseRetired(selectKeys(head, keys), [signedSize])) {
    if (isSignedRoot(cose, key, root)) return { origin, size: signedSize, root, issuer, ...(issuedAt && { issuedAt }) };
  }
  throw badSignature();
}

/**
 * The receipt of the entry at `index`, from zero, with the path that the tiles of the signed size give. Byte for byte what the
 * log itself answers for that size. Nothing is verified: a wrong path makes a receipt that does not verify.
 */
export function assembleReceipt(
  { cose, signedSize }: SignedRoot,
  { index, path }: { readonly index: bigint; readonly path: readonly Hash[] },
): Uint8Array {
  if (index >= signedSize) throw new ReceiptFault('receipt/not-included', `The tree has ${signedSize} leaves.`);
  const { protectedBytes, signature } = cose;
  return encodeReceipt({ protectedBytes, signature, size: signedSize, index, path });
}
