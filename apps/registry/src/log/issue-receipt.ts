import { Injectable } from '@nestjs/common';
import { encodeConsistencyReceipt, encodeReceipt } from '@margo-trust/receipt';
import { attachToStatement } from '@margo-trust/statement';
import { encodeTlogProof } from '@margo-trust/tlog';
import { refuseDamagedPath } from './damage.ts';
import { HeadSigner, type ReceiptHead } from './head-signer.ts';
import { LogFault } from './log.fault.ts';
import { LogLife } from './log-life.ts';
import { LogReader, type EntryRecord, type SealedEntry, type StoredStatement } from './log.reader.ts';
import type { CommittedHead } from './log.store.ts';
import { PublishedCheckpoint } from './witnessing/published-checkpoint.ts';
import { WithholdingReader } from './withholding/withholding.reader.ts';

/** Proofs of one entry, derived on read, never stored. */
@Injectable()
export class IssueReceipt {
  constructor(
    private readonly reader: LogReader,
    private readonly signer: HeadSigner,
    private readonly published: PublishedCheckpoint,
    private readonly withholdings: WithholdingReader,
    private readonly life: LogLife,
  ) {}

  /**
   * A COSE receipt (RFC 9942), always against the same head: the one that first covered the entry. Where a retired log’s key is gone
   * it is against the last head, which was signed while there was one.
   */
  async run({ index }: Pick<EntryRecord, 'index'>): Promise<Uint8Array> {
    return this.prove({ index, head: await this.reader.loadSeal(index) });
  }

  /** The same by entry (32 bytes), for many callers at once; nothing when the log does not hold it. */
  async forEntry(entry: Uint8Array): Promise<Uint8Array | undefined> {
    const found = await this.reader.findSealed(entry);
    return found && this.prove(found);
  }

  private async prove({ index, head }: SealedEntry): Promise<Uint8Array> {
    const path = await this.reader.inclusionPath(index, head.size);
    // What was signed before was right then, and tiles are checked as they are read.
    if (!this.signer.hasSigned(head)) refuseDamagedPath(index, await this.reader.leafHash(index), path, head);
    try {
      return encodeReceipt({ ...(await this.signer.signForReceipts(head)), index, path });
    } catch (error) {
      const last = isKeyMissing(error) ? await this.life.findLastWord() : undefined;
      if (!last) throw error;
      return encodeReceipt({ ...last.head, index, path: await this.reader.inclusionPath(index, last.head.size) });
    }
  }

  /** The statement with chain, time-stamp token and receipt: a Transparent Statement (RFC 9943 §7). */
  async transparentStatement(
    record: EntryRecord,
    find: () => Promise<StoredStatement | undefined> = () => this.reader.findStatement(record.entry),
  ): Promise<Uint8Array> {
    if (record.raw) {
      throw new LogFault('log/not-a-statement', 'A Sigstore tool logged this: it is JSON, and no statement.');
    }
    const [stored, receipt] = await Promise.all([find(), this.run(record)]);
    if (!stored) throw await this.withholdings.explain(record.entry);
    const { chain, timestampToken } = stored;
    return attachToStatement(stored.body, {
      ...(chain.length > 0 && { chain }),
      ...(timestampToken && { timestampToken }),
      receipts: [receipt],
    });
  }

  /** What all receipts of the published checkpoint's size have in common, and its root. */
  async publishedHead(): Promise<ReceiptHead> {
    return this.sign(await this.published.load());
  }

  /**
   * A COSE receipt of consistency (RFC 9942 §5.3) from a smaller tree to one that the log has signed, by default the published
   * one. Throws LogFault `log/no-such-proof` for other sizes, and between equal ones, where a receipt would have no path.
   */
  async consistency(from: bigint, to?: bigint): Promise<{ receipt: Uint8Array; isFinal: boolean }> {
    const head = to === undefined ? await this.published.load() : await this.reader.findSeal(to);
    if (!head)
      throw new LogFault('log/no-such-proof', `This log never signed a tree of ${to} entries: see /log/seals.`);
    if (from >= head.size) {
      throw new LogFault('log/no-such-proof', `A tree of ${head.size} entries is shown to continue smaller ones only.`);
    }
    if (!this.signer.hasSigned(head)) await this.refuseDamaged(head);
    const [path, signed] = await Promise.all([this.reader.consistencyPath(from, head.size), this.sign(head)]);
    const receipt = encodeConsistencyReceipt({ ...signed, size1: from, size2: head.size, path });
    return { receipt, isFinal: to !== undefined };
  }

  private async sign(head: CommittedHead): Promise<ReceiptHead> {
    const last = await this.life.findLastWord();
    return last?.head.size === head.size ? last.head : this.signer.signForReceipts(head);
  }

  /** Holds a root that was never signed against the tree's last entry. */
  private async refuseDamaged(head: CommittedHead): Promise<void> {
    const last = head.size - 1n;
    const [leaf, path] = await Promise.all([this.reader.leafHash(last), this.reader.inclusionPath(last, head.size)]);
    refuseDamagedPath(last, leaf, path, head);
  }

  /** A C2SP tlog-proof against the newest checkpoint. */
  async tlogProof({ index }: Pick<EntryRecord, 'index'>): Promise<Uint8Array> {
    const { size, note } = await this.published.load();
    if (index >= size)
      throw new LogFault('log/not-witnessed', 'The published checkpoint does not cover this entry yet.');
    return encodeTlogProof({ index, path: await this.reader.inclusionPath(index, size), checkpoint: note });
  }
}

function isKeyMissing(error: unknown): boolean {
  return error instanceof LogFault && error.code === 'log/key-missing';
}
