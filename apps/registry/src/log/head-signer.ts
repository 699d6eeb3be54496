import { Injectable } from '@nestjs/common';
import { areEqualBytes, encodeUtf8 } from '@margo-trust/bytes';
import { encodeReceiptProtected, receiptToBeSigned } from '@margo-trust/receipt';
import {
  encodeCheckpoint,
  encodeCosignature,
  encodeNote,
  ML_DSA_44_COSIGNATURE,
  parseNote,
  subtreeToBeSigned,
  verifierKeyId,
} from '@margo-trust/tlog';
import { HeadGuard } from './head-guard.ts';
import { LogKeys } from './keys/log-keys.ts';
import { ed25519Raw, LogIdentity } from './log-identity.ts';
import { LogSteps } from './log-steps.ts';
import type { CommittedHead } from './log.store.ts';

/** The part of a receipt that every entry of one tree size shares: the proof is all that differs. */
export interface ReceiptHead {
  readonly size: bigint;
  readonly root: Uint8Array;
  readonly protectedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Signs heads that are committed, and only those: persist, then sign. A crash between commit and signature loses
 * nothing, for any process can sign the same root later; a signature over a root that was rolled back would be a fork.
 */
@Injectable()
export class HeadSigner {
  /** By size, the one used last at the end: receipts are asked for again and again, and a signature costs more than a path. */
  private readonly receiptHeads = new Map<bigint, ReceiptHead>();
  private forAll: { size: bigint; root: Uint8Array; note: Uint8Array; at: number } | undefined;
  private checkpoint: { size: bigint; root: Uint8Array; note: Uint8Array } | undefined;

  constructor(
    private readonly identity: LogIdentity,
    private readonly guard: HeadGuard,
    private readonly keys: LogKeys,
    private readonly steps: LogSteps = new LogSteps(),
  ) {}

  /** Whether asking for this head's receipts would make no new signature. */
  hasSigned(head: CommittedHead): boolean {
    const known = this.receiptHeads.get(head.size);
    return known !== undefined && isSame(known, head);
  }

  /** Throws what {@link HeadGuard.vouch} throws, before anything is signed. */
  async signForReceipts(head: CommittedHead): Promise<ReceiptHead> {
    const known = this.receiptHeads.get(head.size);
    if (known && isSame(known, head)) return this.keep(known);
    await this.guard.vouch(head);
    await this.keys.cover(head);
    await this.steps.reached('before signing');
    const { signer, kid } = this.identity.receiptAt(head.size);
    const protectedBytes = encodeReceiptProtected({
      kid,
      issuer: this.identity.issuer,
      issuedAt: head.committedAt,
      origin: this.identity.origin,
      size: head.size,
      algorithm: signer.algorithm,
    });
    const signature = await signer.sign(receiptToBeSigned(protectedBytes, head.root));
    this.guard.noteSigned(head);
    await this.steps.reached('signed');
    return this.keep({ size: head.size, root: head.root, protectedBytes, signature });
  }

  private keep(signed: ReceiptHead): ReceiptHead {
    const heads = this.receiptHeads;
    heads.delete(signed.size);
    heads.set(signed.size, signed);
    for (const oldest of heads.keys()) {
      if (heads.size <= KEPT_RECEIPT_HEADS) break;
      heads.delete(oldest);
    }
    return signed;
  }

  /**
   * The checkpoint as a C2SP signed note, by the key that speaks for its size; see docs/operations/log-keys.md for the one that two
   * keys sign. Throws what {@link HeadGuard.vouch} throws, before anything is signed; and
   * `log/behind` for every head while the log is shut, for those outside have seen a larger one.
   */
  async signCheckpoint(head: CommittedHead): Promise<Uint8Array> {
    if (this.checkpoint && isSame(this.checkpoint, head)) return this.checkpoint.note;
    this.guard.refuseShut();
    await this.guard.vouch(head);
    await this.keys.cover(head);
    await this.steps.reached('before signing');
    const { origin } = this.identity;
    const text = encodeCheckpoint({ origin, size: head.size, root: head.root, extensions: [] });
    const signatures = await Promise.all(
      this.identity.checkpointSigners(head.size).map(async (signer) => ({
        name: origin,
        keyHash: verifierKeyId(origin, ed25519Raw(signer.spki)).slice(0, 4),
        signature: await signer.sign(encodeUtf8(text)),
      })),
    );
    const note = encodeNote({ text, signatures });
    this.guard.noteSigned(head);
    await this.steps.reached('signed');
    if (head.size > (this.checkpoint?.size ?? 0n)) {
      this.checkpoint = { size: head.size, root: head.root, note };
    }
    return note;
  }

  /**
   * The checkpoint as everybody outside is shown it: with the log's ML-DSA-44 signature too, if it has such a key. That takes 5 ms of
   * this thread, so under load one checkpoint a second gets it; the others have the Ed25519 signature alone. Throws what
   * {@link signCheckpoint} throws, and `log/key-missing`.
   */
  async signForAll(head: CommittedHead): Promise<Uint8Array> {
    const note = await this.signCheckpoint(head);
    if (this.forAll && isSame(this.forAll, head)) return this.forAll.note;
    const now = performance.now();
    if (now - (this.forAll?.at ?? -Infinity) < ML_DSA_EVERY_MS) return note;
    const whole = this.cosign(note, head);
    this.forAll = { size: head.size, root: head.root, note: whole, at: now };
    return whole;
  }

  /** The checkpoint with every signature that the log makes for its size, however long that takes. Throws what {@link signForAll} throws. */
  async signWhole(head: CommittedHead): Promise<Uint8Array> {
    return this.cosign(await this.signCheckpoint(head), head);
  }

  /** Adds the signatures of the log's ML-DSA-44 keys, dated by the commit, so that every process makes the same. */
  private cosign(note: Uint8Array, { size, root, committedAt }: CommittedHead): Uint8Array {
    const { origin } = this.identity;
    const keys = this.identity.mlDsa44Signers(size);
    if (keys.length === 0) return note;
    const seconds = BigInt(Math.floor(committedAt.getTime() / 1000));
    const message = subtreeToBeSigned(origin, seconds, { origin, start: 0n, end: size, hash: root });
    const { text, signatures } = parseNote(note);
    const added = keys.map((key) => ({
      name: origin,
      keyHash: verifierKeyId(origin, key.publicKey, ML_DSA_44_COSIGNATURE).slice(0, 4),
      signature: encodeCosignature(seconds, key.sign(message)),
    }));
    return encodeNote({ text, signatures: [...signatures, ...added] });
  }
}

const ML_DSA_EVERY_MS = 1_000;
const KEPT_RECEIPT_HEADS = 8_192; // × some 300 bytes

/** Of the same size alone does not do: two roots of one size would be a fork, and this the last place to notice. */
function isSame(signed: Pick<CommittedHead, 'size' | 'root'>, head: CommittedHead): boolean {
  return signed.size === head.size && areEqualBytes(signed.root, head.root);
}
