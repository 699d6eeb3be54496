import { Injectable } from '@nestjs/common';
import { encodeSignedRoot } from '@margo-trust/receipt';
import { Clock } from '../../clock.ts';
import type { Tx } from '../../db/db.ts';
import { IssueReceipt } from '../issue-receipt.ts';
import { LogChangeFault, LogFault } from '../log.fault.ts';
import { LogLife } from '../log-life.ts';
import { LogStore } from '../log.store.ts';
import { ServedLog } from '../served-log.ts';
import { PublishedCheckpoint } from '../witnessing/published-checkpoint.ts';
import type { LogChange } from './log-change.ts';

/**
 * Ends what a frozen log signs: the checkpoint and the signed root of its final tree are kept and shown from now on, so that its
 * keys may be destroyed.
 */
@Injectable()
export class RetireLog {
  constructor(
    private readonly log: ServedLog,
    private readonly life: LogLife,
    private readonly store: LogStore,
    private readonly published: PublishedCheckpoint,
    private readonly receipts: IssueReceipt,
    private readonly clock: Clock,
  ) {}

  async draft(): Promise<LogChange> {
    await this.loadFrozen();
    return { action: 'retire', log: this.log.origin };
  }

  /** Throws LogFault `log/not-witnessed` while the published checkpoint is not the final one. */
  async run(tx: Tx): Promise<{ readonly size: string }> {
    const { size } = await this.loadFrozen();
    const { note, size: published } = await this.published.load();
    if (published !== size) {
      throw new LogFault('log/not-witnessed', 'The final checkpoint of this log is not published yet: try again.');
    }
    const signedRoot = encodeSignedRoot(await this.receipts.publishedHead());
    await this.store.retire(tx, this.log.id, { checkpoint: note, signedRoot }, this.clock.now());
    return { size: size.toString() };
  }

  private async loadFrozen(): Promise<{ readonly size: bigint }> {
    const found = await this.life.find();
    if (found?.state === 'frozen') return found;
    throw new LogChangeFault('log/not-frozen', 'Only a log that is frozen is retired, and only once.');
  }
}
