import { Injectable } from '@nestjs/common';
import { encodeUtf8 } from '@margo-trust/bytes';
import { encodeReceiptProtected, receiptToBeSigned } from '@margo-trust/receipt';
import { encodeCheckpoint, encodeNote, verifierKeyId } from '@margo-trust/tlog';
import { LogIdentity } from './log-identity.ts';
import type { Head } from './log.store.ts';

export type CommittedHead = Pick<Head, 'size' | 'root' | 'committedAt'>;

/** The part of a receipt that every entry of one tree size shares: the proof is all that differs. */
export interface ReceiptHead {
  readonly size: bigint;
  readonly protectedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Signs heads that are committed, and only those: persist, then sign. A crash between commit and signature loses
 * nothing, for any process can sign the same root later; a signature over a root that was rolled back would be a fork.
 */
@Injectable()
export class HeadSigner {
  private receiptHead: ReceiptHead | undefined;
  private checkpoint: { size: bigint; note: Uint8Array } | undefined;

  constructor(private readonly identity: LogIdentity) {}

  async signForReceipts(head: CommittedHead): Promise<ReceiptHead> {
    if (this.receiptHead?.size === head.size) return this.receiptHead;
    const { signer, kid } = this.identity.receipt;
    const protectedBytes = encodeReceiptProtected({
      kid,
      issuer: this.identity.issuer,
      issuedAt: head.committedAt,
      origin: this.identity.origin,
      size: head.size,
      algorithm: signer.algorithm,
    });
    const signature = await signer.sign(receiptToBeSigned(protectedBytes, head.root));
    const signed = { size: head.size, protectedBytes, signature };
    if (this.receiptHead === undefined || this.receiptHead.size < head.size) this.receiptHead = signed;
    return signed;
  }

  /** The checkpoint as a C2SP signed note. */
  async signCheckpoint(head: CommittedHead): Promise<Uint8Array> {
    if (this.checkpoint?.size === head.size) return this.checkpoint.note;
    const { origin, checkpoint: signer } = this.identity;
    const text = encodeCheckpoint({ origin, size: head.size, root: head.root, extensions: [] });
    const signature = await signer.sign(encodeUtf8(text));
    const keyHash = verifierKeyId(origin, ed25519Raw(signer.spki)).slice(0, 4);
    const note = encodeNote({ text, signatures: [{ name: origin, keyHash, signature }] });
    if (this.checkpoint === undefined || this.checkpoint.size < head.size) this.checkpoint = { size: head.size, note };
    return note;
  }
}

/** The 32 key bytes at the end of an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4). */
export function ed25519Raw(spki: Uint8Array): Uint8Array {
  if (spki.length !== 44) throw new Error('The checkpoint key is not an Ed25519 key.');
  return spki.slice(12);
}
