import { Injectable } from '@nestjs/common';
import { Clock } from '../../clock.ts';
import type { Tx } from '../../db/db.ts';
import { wireTime } from '../../wire-time.ts';
import { AppendRecord } from '../append-record.ts';
import { LogChangeFault } from '../log.fault.ts';
import { LogIdentity } from '../log-identity.ts';
import { LogLife } from '../log-life.ts';
import { LogStore } from '../log.store.ts';
import type { LogChange } from './log-change.ts';

/**
 * Closes the first log for statements of vendors: others take them. It goes on taking records, for ever, since what grants or
 * removes trust is on record there.
 */
@Injectable()
export class CloseFirstLog {
  constructor(
    private readonly identity: LogIdentity,
    private readonly life: LogLife,
    private readonly store: LogStore,
    private readonly record: AppendRecord,
    private readonly clock: Clock,
  ) {}

  /** `log` is an origin. */
  async draft(log: string): Promise<LogChange> {
    const { origin } = this.identity;
    if (log !== origin) {
      throw new LogChangeFault('log/bad-change', `Only the first log is closed, ${origin}; others are frozen.`);
    }
    if ((await this.life.find())?.state !== 'active') {
      throw new LogChangeFault('log/not-active', 'The first log takes no more statements already.');
    }
    return { action: 'close', log };
  }

  /** The record is the last entry before which statements are; the mark on the head is set with it. */
  async run(tx: Tx): Promise<{ entryId: string }> {
    const { logId, origin } = this.identity;
    const now = this.clock.now();
    const { entryId } = await this.record.run(tx, {
      subject: `log:${origin}`,
      payload: { record: 'log-closed', at: wireTime(now), log: origin, approvals: 2 },
    });
    await this.store.close(tx, logId, now);
    return { entryId };
  }
}
