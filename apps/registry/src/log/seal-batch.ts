import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import type { Fault } from '@margo-trust/fault';
import { Clock } from '../clock.ts';
import { Db, Unmet, type Tx } from '../db/db.ts';
import { sendAppend, type Placed, type SentAppend } from './append-entries.ts';
import { GovernanceSeen } from './governance-seen.ts';
import { HeadGuard } from './head-guard.ts';
import { LogIdentity } from './log-identity.ts';
import { LogSteps } from './log-steps.ts';
import { LogFault } from './log.fault.ts';
import { LogStore, type CommittedHead, type Head, type NewEntry } from './log.store.ts';

/** What must still hold when the batch commits. */
export interface LateCheck {
  /**
   * Asks the database at once, behind the head that the transaction is about to hold; what it returns tells for each entry the
   * Fault that refuses it alone, if any.
   */
  judge(tx: Tx, entries: readonly NewEntry[]): Promise<LateJudgement>;
  /**
   * The same without an answer to wait for: what it returns lets the transaction fail ({@link Db.insist}) where anything may
   * speak against any of them. Nothing where that is for {@link judge} to say.
   */
  insist(entries: readonly NewEntry[], sealing: Sealing): ((tx: Tx) => Promise<unknown>) | undefined;
}

export type LateJudgement = (sealing: Sealing) => readonly (Fault | undefined)[];

export interface Sealing {
  /** The head that the transaction holds. */
  readonly head: Head;
  /** The time that the entries will be registered at. */
  readonly now: Date;
}

/** A batch that is durable and not acknowledged yet. */
export interface SealedBatch {
  /** One for each entry, in their order: where it lies, or why it was refused. */
  readonly outcomes: readonly (Placed | Fault)[];
  readonly head: CommittedHead;
}

/** What a transaction has sent, and comes to once it has committed. */
interface Written {
  readonly outcomes: SealedBatch['outcomes'];
  readonly head: Head;
  /** When the COMMIT was sent, on the clock of `performance.now()`. */
  readonly askedAt: number;
}

/**
 * Puts a batch of entries into the log, in one transaction that checks once more what may have changed since each was judged.
 *
 * A process that has sealed the last batch knows the head that it will find. It sends all of the next one at once, and what it would ask the
 * database about it insists on there ({@link Db.insist}); where that does not hold, nothing has happened, and the batch is sealed
 * by asking.
 */
@Injectable()
export class SealBatch {
  /** The head that this process has moved to last, or is about to. */
  private last: Pick<SentAppend, 'head' | 'tail'> | undefined;
  /** Whether the last batch that asked found a head that this process had moved: so will the next one, most likely. */
  private isAlone = false;
  private lateCheck: LateCheck = {
    judge: async (_tx, entries) => () => entries.map(() => undefined),
    insist: () => async () => undefined,
  };

  constructor(
    private readonly db: Db,
    private readonly store: LogStore,
    private readonly guard: HeadGuard,
    private readonly identity: LogIdentity,
    private readonly governance: GovernanceSeen,
    private readonly clock: Clock,
    private readonly steps: LogSteps,
  ) {}

  /** The checks that run inside the sealing transaction, against what is committed then. */
  checkLate(check: LateCheck): void {
    this.lateCheck = check;
  }

  /** `whenNext` is called as soon as another batch may be sent behind this one. */
  async run(entries: readonly NewEntry[], whenNext: () => void): Promise<SealedBatch> {
    this.refuseWithoutKeys();
    const { outcomes, head, askedAt } =
      (await this.sealAhead(entries, whenNext)) ?? (await this.sealAsking(entries, whenNext));
    // From here on the batch is durable: whatever fails now, asking again gives the same index.
    await this.steps.reached('committed');
    this.guard.noteCommitted(head);
    return { outcomes, head: { ...head, askedAt } };
  }

  /** After an error nobody knows what this process remembers of the head: the next batch asks for it. */
  forget(): void {
    this.guard.forget();
    this.last = undefined;
  }

  /** What this process could not acknowledge it does not commit. */
  private refuseWithoutKeys(): void {
    const missing = this.identity.findMissing();
    if (missing === undefined) return;
    throw new LogFault('log/key-missing', `This process does not have the ${missing} key that the log signs with.`);
  }

  /** One round trip. Nothing has happened, and nothing is returned, where the head or the entries are not as good as expected. */
  private async sealAhead(entries: readonly NewEntry[], whenNext: () => void): Promise<Written | undefined> {
    if (!this.last || !this.isAlone) return undefined;
    this.guard.refuseShut();
    const { head, tail } = this.last;
    const now = this.clock.now();
    const insist = this.lateCheck.insist(entries, { head, now });
    if (!insist) return undefined;
    try {
      return await this.db.transactionAhead(async (tx) => {
        const held = Promise.all([
          this.store.lockExpectedHead(tx, this.identity.logId, head),
          this.governance.holdSeen(tx),
        ]);
        held.then(whenNext, () => undefined); // not before, so that the next batch comes second to the head
        const isGranted = insist(tx);
        isGranted.catch(() => undefined);
        if (this.steps.areWatched) {
          await Promise.all([held, isGranted]);
          await this.steps.reached('checked late');
        }
        const known = { head, indexes: new Map<string, bigint>(), tail };
        const appended = await sendAppend(tx, this.store, this.identity.logId, entries, now, known);
        const written = Promise.all([held, isGranted, appended.written]);
        return this.send(appended, written, appended.placed);
      });
    } catch (error) {
      if (!(error instanceof Unmet) && !isKnownAlready(error)) throw error;
      this.isAlone = false;
      return undefined;
    }
  }

  /** Seals what may be sealed of the batch under whatever head there is. */
  private async sealAsking(entries: readonly NewEntry[], whenNext: () => void): Promise<Written> {
    return this.db.transactionAhead(async (tx) => {
      // One round trip. The head comes first, and PostgreSQL takes them one after the other: a suspension or revocation needs the
      // head for its record, so none can commit between check and append.
      const [head, governing, judge, indexes] = await Promise.all([
        this.guard.lock(tx),
        this.governance.hold(tx),
        this.lateCheck.judge(tx, entries),
        this.store.indexesOf(tx, this.identity.logId, entries),
      ]);
      if (head.isClosed) throw new LogFault('log/frozen', 'The first log takes no more statements: another one does.');
      this.isAlone = head.writer === this.store.writer;
      const now = this.clock.now();
      const refusals = judge({ head, now });
      await this.steps.reached('checked late');
      const admitted = entries.filter((_, position) => refusals[position] === undefined);
      const isNew = admitted.some(({ entry }) => !indexes.has(encodeHex(entry)));
      const seen = isNew ? await this.governance.draft(tx, head, governing, now) : undefined;
      const candidates = seen ? [seen, ...admitted] : admitted;
      const known = { head, indexes, tail: this.last?.tail };
      const appended = await sendAppend(tx, this.store, this.identity.logId, candidates, now, known);
      const written = Promise.all([appended.written, seen && governing && this.governance.note(tx, governing)]);
      const places = appended.placed.slice(seen ? 1 : 0).values();
      const outcomes = entries.map((_, position) => refusals[position] ?? next(places));
      const sent = await this.send(appended, written, outcomes);
      whenNext();
      return sent;
    });
  }

  /** To be returned from a transaction whose statements are all on their way, so that its COMMIT goes with them. */
  private async send(
    { head, tail }: SentAppend,
    written: Promise<unknown>,
    outcomes: SealedBatch['outcomes'],
  ): Promise<{ rest: Promise<Written> }> {
    if (this.steps.areWatched) {
      await written;
      await this.steps.reached('before commit');
    }
    this.last = { head, tail };
    const askedAt = performance.now();
    return { rest: written.then(() => ({ outcomes, head, askedAt })) };
  }
}

function next(places: Iterator<Placed>): Placed {
  const { value, done } = places.next();
  if (done) throw new Error('An entry was placed nowhere.');
  return value;
}

/** Whether an entry lies in the log already, which PostgreSQL says by refusing the second one. */
function isKnownAlready(error: unknown): boolean {
  return (error as { code?: unknown }).code === UNIQUE_VIOLATION;
}

const UNIQUE_VIOLATION = '23505';
