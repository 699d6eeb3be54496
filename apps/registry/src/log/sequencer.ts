import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { encodeReceipt } from '@margo-trust/receipt';
import type { Fault } from '@margo-trust/fault';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { appendEntries, type Appended } from './append-entries.ts';
import { HeadGuard } from './head-guard.ts';
import { HeadSigner } from './head-signer.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogIdentity } from './log-identity.ts';
import { LogSteps } from './log-steps.ts';
import { RegistrationFault } from './log.fault.ts';
import { LogStore, type CommittedHead, type Head, type NewEntry } from './log.store.ts';

export interface Registered {
  readonly index: bigint;
  readonly receipt: Uint8Array;
}

/**
 * What must still hold when the batch commits. Asks the database at once, behind the head that the transaction is about to hold;
 * what it returns tells for each entry the Fault that refuses it alone, if any.
 */
export type LateCheck = (tx: Tx, entries: readonly NewEntry[]) => Promise<LateJudgement>;

export type LateJudgement = (sealing: {
  /** The head that the transaction holds. */
  readonly head: Head;
  /** The time that the entries will be registered at. */
  readonly now: Date;
}) => readonly (Fault | undefined)[];

interface Waiting {
  readonly entry: NewEntry;
  readonly resolve: (registered: Registered) => void;
  readonly reject: (error: unknown) => void;
}

/** A batch that is durable and not acknowledged yet. */
interface Sealed {
  readonly admitted: readonly Waiting[];
  readonly placed: Appended['placed'];
  readonly head: CommittedHead;
}

const MAX_BATCH = 1024;
const MAX_WAITING = 16_384;
/** A batch gathers for longer the larger the last one was: alone one should not wait, in a crowd it pays for all. */
const GATHER_MILLISECONDS = { least: 2, most: 10 };

/**
 * Seals registrations in batches: one transaction and one receipt signature for all that arrived meanwhile. While a
 * batch commits, the next one gathers and the last one is acknowledged; the head row keeps other replicas in line.
 *
 * Nothing is acknowledged before its batch has committed. A crash before that leaves no trace of the batch; a crash
 * after it leaves entries whose callers will ask again and get the same index.
 */
@Injectable()
export class Sequencer implements OnApplicationShutdown {
  private waiting: Waiting[] = [];
  private sealing: Promise<void> | undefined;
  private readonly acknowledging = new Set<Promise<void>>();
  private lastBatch = 0;
  private lateCheck: LateCheck = async (_tx, entries) => () => entries.map(() => undefined);

  constructor(
    private readonly db: Db,
    private readonly store: LogStore,
    private readonly receipts: IssueReceipt,
    private readonly guard: HeadGuard,
    private readonly signer: HeadSigner,
    private readonly identity: LogIdentity,
    private readonly clock: Clock,
    private readonly steps: LogSteps,
  ) {}

  /** The check that runs inside the sealing transaction, against what is committed then. */
  checkLate(check: LateCheck): void {
    this.lateCheck = check;
  }

  register(entry: NewEntry): Promise<Registered> {
    if (this.waiting.length >= MAX_WAITING) {
      return Promise.reject(
        new RegistrationFault('registration/overloaded', 'Too many registrations wait; try again in a second.'),
      );
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ entry, resolve, reject });
      this.sealing ??= this.seal().finally(() => (this.sealing = undefined));
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.sealing;
    await Promise.all(this.acknowledging);
  }

  private async seal(): Promise<void> {
    while (this.waiting.length > 0) {
      if (this.waiting.length < MAX_BATCH) await this.gather();
      const batch = this.waiting.splice(0, MAX_BATCH);
      this.lastBatch = batch.length;
      try {
        this.answer(await this.sealBatch(batch));
      } catch (error) {
        this.refuse(batch, error);
      }
    }
  }

  private gather(): Promise<void> {
    const { least, most } = GATHER_MILLISECONDS;
    return new Promise((resolve) => setTimeout(resolve, Math.min(most, least + this.lastBatch / 16)));
  }

  /** Not waited for: the next batch is on its way to the database meanwhile. */
  private answer(sealed: Sealed): void {
    const done = this.acknowledge(sealed)
      .catch((error: unknown) => this.refuse(sealed.admitted, error))
      .finally(() => this.acknowledging.delete(done));
    this.acknowledging.add(done);
  }

  private refuse(batch: readonly Waiting[], error: unknown): void {
    this.guard.forget();
    for (const { reject } of batch) reject(error);
  }

  private async sealBatch(batch: readonly Waiting[]): Promise<Sealed> {
    const { admitted, appended, askedAt } = await this.db.transaction(async (tx) => {
      const entries = batch.map(({ entry }) => entry);
      // One round trip. The head comes first, and PostgreSQL takes them one after the other: a suspension or revocation needs the
      // head for its record, so none can commit between check and append.
      const [head, judge, known] = await Promise.all([
        this.guard.lock(tx),
        this.lateCheck(tx, entries),
        this.store.indexesOf(tx, this.identity.logId, entries),
      ]);
      const now = this.clock.now();
      const refusals = judge({ head, now });
      await this.steps.reached('checked late');
      const admitted = batch.filter((waiting, position) => {
        const refusal = refusals[position];
        if (refusal) waiting.reject(refusal);
        return !refusal;
      });
      const candidates = admitted.map(({ entry }) => entry);
      const appended = await appendEntries(tx, this.store, this.identity.logId, candidates, now, head, known);
      await this.steps.reached('before commit');
      return { admitted, appended, askedAt: performance.now() };
    });
    // From here on the batch is durable: whatever fails now, asking again gives the same index.
    await this.steps.reached('committed');
    this.guard.noteCommitted(appended.head);
    return { admitted, placed: appended.placed, head: { ...appended.head, askedAt } };
  }

  private async acknowledge({ admitted, placed, head }: Sealed): Promise<void> {
    const signed = placed.some(({ path }) => path) ? await this.signer.signForReceipts(head) : undefined;
    await this.steps.reached('before acknowledging');
    for (const [position, { resolve, reject }] of admitted.entries()) {
      const place = placed[position];
      if (!place) throw new Error('An entry was placed nowhere.');
      const { index, path } = place;
      if (path && signed) resolve({ index, receipt: encodeReceipt({ ...signed, index, path }) });
      // Logged before: the answer is what it was then.
      else this.receipts.run({ index }).then((receipt) => resolve({ index, receipt }), reject);
    }
  }
}
