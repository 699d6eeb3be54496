import { Injectable } from '@nestjs/common';
import { encodeBase64 } from '@margo-trust/bytes';
import { parseStatement } from '@margo-trust/statement';
import { Db, type Tx } from '../db/db.ts';
import { wireTime } from '../wire-time.ts';
import { toNewEntry } from './admission/statement-facts.ts';
import { LogKeys } from './keys/log-keys.ts';
import { LogStore, type GoverningHead, type Head, type NewEntry } from './log.store.ts';
import { ServedLog } from './served-log.ts';
import { SignRecord } from './sign-record.ts';

/**
 * How much of the first log the entries of another one rest on.
 *
 * Vendors, certificates and revocations are on record in the first log alone. Whoever seals statements elsewhere holds its head
 * meanwhile, so that none of that changes between check and commit; and wherever it has grown since, the first entry of the batch
 * says to which size and root. So everybody can tell what an admission was decided by, as if both were one log.
 */
@Injectable()
export class GovernanceSeen {
  constructor(
    private readonly db: Db,
    private readonly store: LogStore,
    private readonly log: ServedLog,
    private readonly keys: LogKeys,
    private readonly sign: SignRecord,
  ) {}

  /**
   * Holds the first log's head until the transaction ends; nothing where that is held already, in the first log itself. After the
   * log's own head: whoever holds both takes them in this order.
   */
  async hold(tx: Tx): Promise<GoverningHead | undefined> {
    return this.log.isFirst ? undefined : this.store.lockGoverning(tx, this.log.id);
  }

  /** As {@link hold}, where nothing is left to be said of the first log: throws Unmet otherwise. */
  async holdSeen(tx: Tx): Promise<void> {
    if (!this.log.isFirst) await this.store.lockGoverningSeen(tx, this.log.id);
  }

  /** The entry that must stand in front of the next ones; nothing where an earlier one says it. */
  async draft(tx: Tx, head: Head, governing: GoverningHead | undefined, now: Date): Promise<NewEntry | undefined> {
    if (!governing || governing.size === governing.seen) return undefined;
    await this.keys.cover(head, tx);
    const { origin, size, root } = governing;
    const statement = await this.sign.run(
      {
        subject: `governance:${origin}`,
        payload: {
          ...{ record: 'governance-seen', at: wireTime(now), log: origin },
          ...{ size: size.toString(), root: encodeBase64(root) },
        },
      },
      now,
      head.size + 1n,
    );
    return { ...toNewEntry(parseStatement(statement)), mentions: [] };
  }

  /** Remembers that a drafted entry is in the log, from the commit on. */
  async note(tx: Tx, { size }: GoverningHead): Promise<void> {
    await this.store.noteGoverning(tx, this.log.id, size);
  }
}
