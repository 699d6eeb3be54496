import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import { Db, type Tx } from '../db/db.ts';
import { LogFault } from './log.fault.ts';
import { LogIdentity } from './log-identity.ts';
import { LogStore, type CommittedHead, type Head } from './log.store.ts';
import { RollbackLatch } from './rollback/rollback-latch.ts';

const FRESH_FOR_MS = 2_000;

/**
 * Stands in front of every append and every signature of the log.
 *
 * An append starts from the head that the transaction holds, after it has been held against all that this process has signed.
 * A signature needs a head that the database, when asked less than two seconds ago, called committed; and if there are
 * synchronous standbys, one that a later commit shows to be on theirs too. A process that stood still in between, while
 * another database took over or a backup was restored, therefore asks again before it signs.
 */
@Injectable()
export class HeadGuard {
  /** The largest head up to which a commit of this process has succeeded without doubt. */
  private confirmedSize = 0n;
  private readonly confirming = new Map<string, Promise<void>>();

  constructor(
    private readonly db: Db,
    private readonly store: LogStore,
    private readonly identity: LogIdentity,
    private readonly latch: RollbackLatch,
  ) {}

  /** Holds the head until the transaction ends. Throws LogFault `log/behind` when nothing may be appended. */
  async lock(tx: Tx): Promise<Head> {
    this.latch.refuseWrites();
    const signed = this.latch.newestSigned; // more may be signed while the database is asked about this one
    const head = await this.store.lockHead(tx, this.identity.logId, signed?.size);
    this.latch.refuseRegressed(head, signed);
    return head;
  }

  /** Says that a transaction of this process that moved the head there has committed. */
  noteCommitted({ size }: Pick<Head, 'size'>): void {
    if (size > this.confirmedSize) this.confirmedSize = size;
  }

  /** After an error nobody knows what this process remembers of the head: ask the database again. */
  forget(): void {
    this.confirmedSize = 0n;
  }

  /**
   * Throws unless `head` may be signed: LogFault `log/behind`, `log/not-committed` when the database no longer knows it,
   * DatabaseFault when it cannot say.
   */
  async vouch(head: CommittedHead): Promise<void> {
    this.latch.refuseSigning(head.size);
    const isFresh = head.askedAt !== undefined && performance.now() - head.askedAt < FRESH_FOR_MS;
    if (isFresh && head.size <= this.confirmedSize) return;
    await this.confirm(head);
  }

  /** Whoever asks for the same head meanwhile waits for the same answer, which a standby may take seconds to give. */
  private confirm(head: CommittedHead): Promise<void> {
    const key = `${head.size} ${encodeHex(head.root)}`;
    const underWay = this.confirming.get(key);
    if (underWay) return underWay;
    const asking = this.db
      .transaction((tx) => this.store.confirmSeal(tx, this.identity.logId, head))
      .then((found) => {
        if (found.isHeld) return this.noteCommitted(found);
        throw new LogFault('log/not-committed', 'The database no longer knows this head of the log. Ask again.');
      })
      .finally(() => this.confirming.delete(key));
    this.confirming.set(key, asking);
    return asking;
  }

  /** Throws LogFault `log/behind` while the log is behind what others have seen of it. */
  refuseShut(): void {
    this.latch.refuseWrites();
  }

  /** Remembers what everybody may have seen from now on. */
  noteSigned(head: CommittedHead): void {
    this.latch.noteSigned(head);
  }
}
