import { Injectable } from '@nestjs/common';
import { CONTENT, draftStatement, encodeJsonPayload, finishStatement, parseStatement } from '@margo-trust/statement';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { appendEntries } from './append-entries.ts';
import { HeadGuard } from './head-guard.ts';
import { LogKeys } from './keys/log-keys.ts';
import { LogIdentity } from './log-identity.ts';
import { LogStore } from './log.store.ts';
import { toNewEntry } from './admission/statement-facts.ts';

/** What the registry itself says: `subject` is `vendor:<id>`, `certificate:<fingerprint>`, `tuf:<role>:<version>` … */
export interface RegistryRecord {
  readonly subject: string;
  readonly payload: object;
  /** Defaults to a governance record. */
  readonly contentType?: string;
  /** Digests, references and names by which the record should be found. */
  readonly mentions?: readonly string[];
  readonly vendorId?: string;
  readonly certificate?: Uint8Array;
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
    private readonly clock: Clock,
  ) {}

  async run(tx: Tx, record: RegistryRecord): Promise<{ index: bigint; entryId: string; statement: Uint8Array }> {
    const now = this.clock.now();
    // Held first: which key signs the record depends on where it will be.
    const locked = await this.guard.lock(tx);
    await this.keys.cover(locked, tx);
    const statement = await this.sign(record, now, locked.size + 1n);
    const parsed = parseStatement(statement);
    const entry = {
      ...toNewEntry(parsed),
      ...(record.vendorId !== undefined && { vendorId: record.vendorId }),
      ...(record.certificate && { certificate: record.certificate }),
      mentions: record.mentions ?? [],
    };
    const { head, placed } = await appendEntries(tx, this.store, this.identity.logId, [entry], now, locked);
    this.db.afterCommit(tx, () => this.guard.noteCommitted(head));
    const [place] = placed;
    if (!place) throw new Error('An append of one entry placed none.');
    return { index: place.index, entryId: parsed.entryId, statement };
  }

  private async sign(record: RegistryRecord, now: Date, size: bigint): Promise<Uint8Array> {
    const { signer, kid } = this.identity.recordAt(size);
    const draft = draftStatement({
      algorithm: signer.algorithm,
      issuer: this.identity.issuer,
      subject: record.subject,
      contentType: record.contentType ?? CONTENT.record,
      payload: encodeJsonPayload(record.payload),
      issuedAt: now,
      signer: { kid },
    });
    return finishStatement(draft, await signer.sign(draft.toBeSigned));
  }
}
