import { Injectable } from '@nestjs/common';
import { parseStatement, type Statement } from '@margo-trust/statement';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { appendEntries } from './append-entries.ts';
import { HeadGuard } from './head-guard.ts';
import { LogKeys } from './keys/log-keys.ts';
import { LogIdentity } from './log-identity.ts';
import { LogStore } from './log.store.ts';
import { toNewEntry } from './admission/statement-facts.ts';
import { type RegistryStatement, SignRecord } from './sign-record.ts';

/** A statement of the registry, and what it is found by. */
export interface RegistryRecord extends RegistryStatement {
  /** Digests, references and names by which the record should be found. */
  readonly mentions?: readonly string[];
  readonly vendorId?: string;
  readonly certificate?: Uint8Array;
}

/** Where a record is, from the commit on. */
export interface LoggedRecord {
  readonly index: bigint;
  readonly entryId: string;
  readonly statement: Uint8Array;
}

/**
 * Logs a statement of the registry in the caller's transaction, so that a change of trust and its record are one: both
 * are committed, or neither.
 */
@Injectable()
export class AppendRecord {
  constructor(
    private readonly db: Db,
    private readonly guard: HeadGuard,
    private readonly store: LogStore,
    private readonly identity: LogIdentity,
    private readonly keys: LogKeys,
    private readonly signer: SignRecord,
    private readonly clock: Clock,
  ) {}

  async run(tx: Tx, record: RegistryRecord): Promise<LoggedRecord> {
    const [logged] = await this.runAll(tx, [record]);
    if (!logged) throw new Error('An append of one entry placed none.');
    return logged;
  }

  /**
   * Holds the log until the transaction ends. What a record of anybody would change does not change from here on; so whoever
   * looks before {@link runAll} sees what holds at the commit.
   */
  async hold(tx: Tx): Promise<void> {
    await this.guard.lock(tx);
  }

  /** Several in one append, in this order. */
  async runAll(tx: Tx, records: readonly RegistryRecord[]): Promise<readonly LoggedRecord[]> {
    if (records.length === 0) return [];
    const now = this.clock.now();
    // Held first: which key signs a record depends on where it will be.
    const locked = await this.guard.lock(tx);
    await this.keys.cover(locked, tx);
    const statements = await Promise.all(
      records.map((record, i) => this.signer.run(record, now, locked.size + BigInt(i) + 1n)),
    );
    const parsed = statements.map((statement) => parseStatement(statement));
    const entries = records.map(({ vendorId, certificate, mentions = [] }, i) => ({
      ...toNewEntry(parsed[i] as Statement),
      ...(vendorId !== undefined && { vendorId }),
      ...(certificate && { certificate }),
      mentions,
    }));
    const { head, placed } = await appendEntries(tx, this.store, this.identity.logId, entries, now, locked);
    this.db.afterCommit(tx, () => this.guard.noteCommitted(head));
    return placed.map(({ index }, i) => {
      const [statement, found] = [statements[i], parsed[i]];
      if (!statement || !found) throw new Error('An append placed more than it was given.');
      return { index, entryId: found.entryId, statement };
    });
  }
}
