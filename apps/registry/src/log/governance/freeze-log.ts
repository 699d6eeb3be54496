import { Injectable } from '@nestjs/common';
import { encodeBase64 } from '@margo-trust/bytes';
import { Clock } from '../../clock.ts';
import type { Tx } from '../../db/db.ts';
import { wireTime } from '../../wire-time.ts';
import { AppendRecord } from '../append-record.ts';
import { HeadGuard } from '../head-guard.ts';
import { LogChangeFault } from '../log.fault.ts';
import { LogLife } from '../log-life.ts';
import { LogStore } from '../log.store.ts';
import { UpdateIndexMap } from '../search/update-index-map.ts';
import { ServedLog } from '../served-log.ts';
import type { LogChange } from './log-change.ts';

/** Where a frozen log has ended. */
export interface FrozenHead {
  readonly entryId: string;
  /** Of the final tree: what others are told of it. */
  readonly size: string;
  readonly root: string;
}

/**
 * Ends the served log: its last entry says so, and the head is marked in the same transaction. Whoever waits for the head meanwhile
 * finds the mark, in whatever process, and appends nothing.
 */
@Injectable()
export class FreezeLog {
  constructor(
    private readonly log: ServedLog,
    private readonly life: LogLife,
    private readonly store: LogStore,
    private readonly guard: HeadGuard,
    private readonly record: AppendRecord,
    private readonly map: UpdateIndexMap,
    private readonly clock: Clock,
  ) {}

  async draft(): Promise<LogChange> {
    if ((await this.life.find())?.state !== 'active') {
      throw new LogChangeFault('log/not-active', 'This log is frozen already, or retired.');
    }
    return { action: 'freeze', log: this.log.origin };
  }

  /** Does beforehand what would make callers wait. */
  prepare(): Promise<void> {
    return this.map.catchUp();
  }

  async run(tx: Tx): Promise<FrozenHead> {
    const { id, origin } = this.log;
    await this.map.close(tx, async () => (await this.guard.lock(tx)).size);
    const now = this.clock.now();
    const { index, entryId } = await this.record.run(tx, {
      subject: `log:${origin}`,
      payload: { record: 'log-frozen', at: wireTime(now), log: origin, approvals: 2 },
    });
    const root = await this.store.freeze(tx, id, now);
    return { entryId, size: (index + 1n).toString(), root: encodeBase64(root) };
  }
}
