import { Injectable } from '@nestjs/common';
import { LOG_KEY_PURPOSES } from '@margo-trust/auditor';
import { areEqualBytes, encodeBase64, parseBase64 } from '@margo-trust/bytes';
import { Clock } from '../../clock.ts';
import type { Tx } from '../../db/db.ts';
import { wireTime } from '../../wire-time.ts';
import { AppendRecord } from '../append-record.ts';
import { HeadGuard } from '../head-guard.ts';
import { LogKeyStore } from '../keys/log-key.store.ts';
import { LogKeys } from '../keys/log-keys.ts';
import { LogChangeFault } from '../log.fault.ts';
import { LogIdentity } from '../log-identity.ts';
import { FIRST_LOG, ServedLog } from '../served-log.ts';
import type { LogChange, WantedChange } from './log-change.ts';

/**
 * Replaces a key of the log, or begins an ML-DSA-44 one. The record that says so is signed with the keys before, as is the head that it
 * is the last entry of; every larger head is signed with the new key.
 *
 * Record, table and head are one transaction. A crash before its commit leaves the old key in force, one after it the
 * new one, whoever signs next.
 */
@Injectable()
export class RotateLogKey {
  constructor(
    private readonly identity: LogIdentity,
    private readonly keys: LogKeys,
    private readonly store: LogKeyStore,
    private readonly guard: HeadGuard,
    private readonly record: AppendRecord,
    private readonly log: ServedLog,
    private readonly clock: Clock,
  ) {}

  /** The change down to the key: the one in the slot's second file. */
  async draft({ purpose }: WantedChange): Promise<LogChange> {
    if (purpose === undefined)
      throw new LogChangeFault('log/bad-change', `Say which key: ${LOG_KEY_PURPOSES.join(', ')}.`);
    await this.identity.openTokens();
    await this.keys.refresh();
    const { origin, keySet } = this.identity;
    if (purpose === 'record' && !this.log.isFirst) return this.follow(keySet.current('record').spki);
    const next = this.identity.findNext(purpose);
    if (!next) {
      const message = `No ${purpose} key waits to follow: put it into the key directory of every process, under its second name.`;
      throw new LogChangeFault('log/no-next-key', message);
    }
    if ((await this.store.findAll()).some(({ spki }) => areEqualBytes(spki, next))) {
      throw new LogChangeFault(
        'log/key-used',
        'The key that waits to follow has signed for a log before: make a new one.',
      );
    }
    const before = purpose === 'checkpoint-ml-dsa-44' ? keySet.findCurrent(purpose) : keySet.current(purpose);
    return {
      ...{ action: 'rotate-key', log: origin, purpose, key: encodeBase64(next) },
      ...(before && { replaces: encodeBase64(before.spki) }),
    };
  }

  /** The registry has one key of records at a time: the first log gets it, and the others follow. */
  private async follow(current: Uint8Array): Promise<LogChange> {
    const keys = (await this.store.find(FIRST_LOG))?.keys ?? [];
    const next = keys.find(({ purpose, untilSize }) => purpose === 'record' && untilSize === undefined);
    if (!next || areEqualBytes(next.spki, current)) {
      throw new LogChangeFault(
        'log/no-next-key',
        'The key of records is replaced in the first log, and then in this one.',
      );
    }
    return {
      ...{ action: 'rotate-key', log: this.log.origin, purpose: 'record' },
      ...{ key: encodeBase64(next.spki), replaces: encodeBase64(current) },
    };
  }

  /** Makes the drafted change. Returns where it is on record. */
  async run(tx: Tx, { purpose, key = '', replaces }: LogChange): Promise<{ entryId: string }> {
    if (purpose === undefined) throw new Error('A drafted change names its key.');
    const head = await this.guard.lock(tx); // its place decides from when on the key signs
    const fromSize = head.size + 2n;
    const { origin, logId } = this.identity;
    const now = this.clock.now();
    const { index, entryId } = await this.record.run(tx, {
      subject: `log-key:${origin}`,
      payload: {
        record: 'log-key',
        at: wireTime(now),
        log: origin,
        ...{ purpose, key, ...(replaces !== undefined && { replaces }) },
        ...{ fromSize: fromSize.toString(), approvals: 2 },
      },
    });
    if (index !== head.size) throw new Error('The record is not where the head was.');
    await this.store.replace(tx, logId, { purpose, spki: parseBase64(key), fromSize, eventIndex: index, since: now });
    return { entryId };
  }
}
