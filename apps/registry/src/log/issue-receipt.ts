import { Injectable } from '@nestjs/common';
import { encodeReceipt } from '@margo-trust/receipt';
import { attachToStatement } from '@margo-trust/statement';
import { encodeTlogProof } from '@margo-trust/tlog';
import { refuseDamagedPath } from './damage.ts';
import { HeadSigner } from './head-signer.ts';
import { LogFault } from './log.fault.ts';
import { LogReader, type EntryRecord, type SealedEntry, type StoredStatement } from './log.reader.ts';
import { PublishedCheckpoint } from './published-checkpoint.ts';
import { WithholdingReader } from './withholding.reader.ts';

/** Proofs of one entry, derived on read, never stored. */
@Injectable()
export class IssueReceipt {
  constructor(
    private readonly reader: LogReader,
    private readonly signer: HeadSigner,
    private readonly published: PublishedCheckpoint,
    private readonly withholdings: WithholdingReader,
  ) {}

  /** A COSE receipt (RFC 9942), always against the same head: the one that first covered the entry. */
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
    return encodeReceipt({ ...(await this.signer.signForReceipts(head)), index, path });
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

  /** A C2SP tlog-proof against the newest checkpoint. */
  async tlogProof({ index }: Pick<EntryRecord, 'index'>): Promise<Uint8Array> {
    const { size, note } = await this.published.load();
    return encodeTlogProof({ index, path: await this.reader.inclusionPath(index, size), checkpoint: note });
  }
}
