import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import { encodeReceipt } from '@margo-trust/receipt';
import type { Fault } from '@margo-trust/fault';
import { Clock } from '../clock.ts';
import { Db, Unmet, type Tx } from '../db/db.ts';
import { sendAppend, type Appended, type SentAppend, type Tail } from './append-entries.ts';
import { GovernanceSeen } from './governance-seen.ts';
import { HeadGuard } from './head-guard.ts';
import { HeadSigner } from './head-signer.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogIdentity } from './log-identity.ts';
import { LogSteps } from './log-steps.ts';
import { LogFault, RegistrationFault } from './log.fault.ts';
import { LogStore, type CommittedHead, type Head, type NewEntry } from './log.store.ts';

export interface Registered {
  readonly index: bigint;
  readonly receipt: Uint8Array;
}

/** What must still hold when the batch commits. */
export interface LateCheck {
  /**
   * Asks the database at once, behind the head that the transaction is about to hold; what it returns tells for each entry the
   * Fault that refuses it alone, if any.
   */
  judge(tx: Tx, entries: readonly NewEntry[]): Promise<LateJudgement>;
  /**
   * The same without an answer to wait for: what it returns lets the transaction fail ({@link Db.insist}) where anything may speak against
   * any of them. Nothing where that is for {@link judge} to say.
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

interface Waiting {
  readonly entry: NewEntry;
  readonly resolve: (registered: Registered) => void;
  readonly reject: (error: unknown) => void;
}

/** A head, and the leaf hashes of its last tile, which are good for nothing under any other one. */
interface Moved {
  readonly head: Head;
  readonly tail: Tail | undefined;
}

/** A batch that is durable and not acknowledged yet. */
interface Sealed {
  readonly admitted: readonly Waiting[];
  readonly placed: Appended['placed'];
  readonly head: CommittedHead;
}

/** A batch that is in the log. */
interface Written {
  readonly admitted: readonly Waiting[];
  readonly appended: SentAppend;
  /** Entries of the registry's own that stand in front. */
  readonly skipped: number;
  /** When the COMMIT was sent, on the clock of `performance.now()`. */
  readonly askedAt: number;
}

const MAX_BATCH = 1024;
const MAX_WAITING = 16_384;
/** Below it splitting a batch gains nothing. */
const LEAST_SPLIT = 32;
/** How long a batch waits for others at most. */
const GATHER_MILLISECONDS = 10;

/**
 * Seals registrations in batches: one transaction and one receipt signature for all that arrived meanwhile. While a
 * batch commits, the next one gathers, or waits in PostgreSQL for the head, and the last one is acknowledged; the head row keeps
 * other replicas in line.
 *
 * Nothing is acknowledged before its batch has committed. A crash before that leaves no trace of the batch; a crash
 * after it leaves entries whose callers will ask again and get the same index.
 */
@Injectable()
export class Sequencer implements OnApplicationShutdown {
  private waiting: Waiting[] = [];
  private sealing: Promise<void> | undefined;
  /** Batches that are not acknowledged yet. */
  private readonly sealed = new Set<Promise<void>>();
  /** Registrations that are being judged. */
  private underWay = 0;
  /** Batches on their way to the database, two at most. */
  private uncommitted = 0;
  /** Ends the wait of a batch. */
  private gathered: (() => void) | undefined;
  private lastBatch = 0;
  /** The head that this process has moved to last, or is about to. */
  private last: Moved | undefined;
  /** Whether the last batch found a head that this process had moved: so will the next one, most likely. */
  private isAlone = false;
  private lateCheck: LateCheck = {
    judge: async (_tx, entries) => () => entries.map(() => undefined),
    insist: () => async () => undefined,
  };

  constructor(
    private readonly db: Db,
    private readonly store: LogStore,
    private readonly receipts: IssueReceipt,
    private readonly guard: HeadGuard,
    private readonly signer: HeadSigner,
    private readonly identity: LogIdentity,
    private readonly governance: GovernanceSeen,
    private readonly clock: Clock,
    private readonly steps: LogSteps,
  ) {}

  /** The checks that run inside the sealing transaction, against what is committed then. */
  checkLate(check: LateCheck): void {
    this.lateCheck = check;
  }

  /** Seals what `judged` comes to, and waits with a batch for it meanwhile. Its failure is the caller's. */
  async register(judged: Promise<NewEntry>): Promise<Registered> {
    this.underWay += 1;
    let sealed: Promise<Registered>;
    try {
      sealed = this.enqueue(await judged);
    } finally {
      this.underWay -= 1;
      this.look();
    }
    return sealed;
  }

  private enqueue(entry: NewEntry): Promise<Registered> {
    if (this.waiting.length >= MAX_WAITING) {
      throw new RegistrationFault('registration/overloaded', 'Too many registrations wait; try again in a second.');
    }
    return new Promise((resolve, reject) => {
      this.waiting.push({ entry, resolve, reject });
      this.sealing ??= this.seal().finally(() => (this.sealing = undefined));
    });
  }

  async onApplicationShutdown(): Promise<void> {
    await this.sealing;
    await Promise.all(this.sealed);
  }

  private async seal(): Promise<void> {
    while (this.waiting.length > 0) {
      if (!this.isGathered()) await this.gather();
      const batch = this.waiting.splice(0, this.nextBatch());
      this.lastBatch = batch.length;
      this.uncommitted += 1;
      // While this batch commits, the next one waits in PostgreSQL for the head that it leaves.
      await new Promise<void>((resolve) => {
        const done = this.sealBatch(batch, resolve)
          .finally(() => {
            this.uncommitted -= 1;
            this.look();
          })
          .then((sealed) => this.acknowledge(sealed))
          .catch((error: unknown) => this.refuse(batch, error))
          .finally(() => {
            this.sealed.delete(done);
            resolve();
          });
        this.sealed.add(done);
      });
    }
  }

  /** Nobody else is about to come; and a batch that would have to wait for the head is as large as the one before. */
  private isGathered(): boolean {
    const { length } = this.waiting;
    return length >= MAX_BATCH || (this.underWay === 0 && (this.uncommitted === 0 || length >= this.lastBatch));
  }

  private look(): void {
    if (this.isGathered()) this.gathered?.();
  }

  private async gather(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GATHER_MILLISECONDS);
      this.gathered = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.gathered = undefined;
  }

  /**
   * Half of those that come again and again, since callers wait for their receipts: while the database has one half, this process
   * reads and checks the other one.
   */
  private nextBatch(): number {
    const half = Math.ceil((this.waiting.length + this.lastBatch) / 2);
    return Math.min(MAX_BATCH, Math.max(LEAST_SPLIT, half));
  }

  private refuse(batch: readonly Waiting[], error: unknown): void {
    this.guard.forget();
    this.last = undefined;
    for (const { reject } of batch) reject(error);
  }

  /** What this process could not acknowledge it does not commit. */
  private refuseWithoutKeys(): void {
    const missing = this.identity.findMissing();
    if (missing === undefined) return;
    throw new LogFault('log/key-missing', `This process does not have the ${missing} key that the log signs with.`);
  }

  private async sealBatch(batch: readonly Waiting[], whenSent: () => void): Promise<Sealed> {
    this.refuseWithoutKeys();
    const { admitted, appended, skipped, askedAt } =
      (await this.sealAhead(batch, whenSent)) ?? (await this.sealAsking(batch, whenSent));
    // From here on the batch is durable: whatever fails now, asking again gives the same index.
    await this.steps.reached('committed');
    this.guard.noteCommitted(appended.head);
    return { admitted, placed: appended.placed.slice(skipped), head: { ...appended.head, askedAt } };
  }

  /**
   * Seals the batch in one round trip, for a process that has sealed the last one too: it knows the head that it will find, and what it would ask
   * the database about it insists on there. Nothing has happened, and nothing is returned, where any of that does not hold.
   */
  private async sealAhead(batch: readonly Waiting[], whenSent: () => void): Promise<Written | undefined> {
    if (!this.last || !this.isAlone) return undefined;
    this.guard.refuseShut();
    const { head, tail } = this.last;
    const entries = batch.map(({ entry }) => entry);
    const now = this.clock.now();
    const insist = this.lateCheck.insist(entries, { head, now });
    if (!insist) return undefined;
    let askedAt = 0;
    try {
      return await this.db.transactionAhead(async (tx) => {
        const held = Promise.all([
          this.store.lockExpectedHead(tx, this.identity.logId, head),
          this.governance.holdSeen(tx),
        ]);
        // Not before: the next batch is to come second to the head.
        held.then(whenSent, () => undefined);
        const isGranted = insist(tx);
        isGranted.catch(() => undefined);
        if (this.steps.areWatched) {
          await Promise.all([held, isGranted]);
          await this.steps.reached('checked late');
        }
        const known = { head, indexes: new Map<string, bigint>(), tail };
        const appended = await sendAppend(tx, this.store, this.identity.logId, entries, now, known);
        const written = Promise.all([held, isGranted, appended.written]);
        if (this.steps.areWatched) {
          await written;
          await this.steps.reached('before commit');
        }
        askedAt = performance.now();
        this.last = appended;
        return { rest: written.then(() => ({ admitted: batch, appended, skipped: 0, askedAt })) };
      });
    } catch (error) {
      if (!(error instanceof Unmet) && !isKnownAlready(error)) throw error;
      this.isAlone = false;
      return undefined;
    }
  }

  /** Seals what may be sealed of the batch under whatever head there is, and refuses the rest, each for its own reason. */
  private async sealAsking(batch: readonly Waiting[], whenSent: () => void): Promise<Written> {
    let askedAt = 0;
    return this.db.transactionAhead(async (tx) => {
      const entries = batch.map(({ entry }) => entry);
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
      const admitted = batch.filter((waiting, position) => {
        const refusal = refusals[position];
        if (refusal) waiting.reject(refusal);
        return !refusal;
      });
      const candidates = admitted.map(({ entry }) => entry);
      const isNew = candidates.some(({ entry }) => !indexes.has(encodeHex(entry)));
      const seen = isNew ? await this.governance.draft(tx, head, governing, now) : undefined;
      if (seen) candidates.unshift(seen);
      const known = { head, indexes, tail: this.last?.tail };
      const appended = await sendAppend(tx, this.store, this.identity.logId, candidates, now, known);
      const written = Promise.all([appended.written, seen && governing && this.governance.note(tx, governing)]);
      if (this.steps.areWatched) {
        await written;
        await this.steps.reached('before commit');
      }
      askedAt = performance.now();
      this.last = appended;
      whenSent();
      return { rest: written.then(() => ({ admitted, appended, skipped: seen ? 1 : 0, askedAt })) };
    });
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

/** Whether an entry lies in the log already, which PostgreSQL says by refusing the second one. */
function isKnownAlready(error: unknown): boolean {
  return (error as { code?: unknown }).code === UNIQUE_VIOLATION;
}

const UNIQUE_VIOLATION = '23505';
