import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Fault } from '@margo-trust/fault';
import { encodeReceipt } from '@margo-trust/receipt';
import type { Placed } from './append-entries.ts';
import { HeadSigner } from './head-signer.ts';
import { IssueReceipt } from './issue-receipt.ts';
import { LogSteps } from './log-steps.ts';
import { RegistrationFault } from './log.fault.ts';
import type { NewEntry } from './log.store.ts';
import { SealBatch, type SealedBatch } from './seal-batch.ts';

export interface Registered {
  readonly index: bigint;
  readonly receipt: Uint8Array;
}

interface Waiting {
  readonly entry: NewEntry;
  readonly resolve: (registered: Registered) => void;
  readonly reject: (error: unknown) => void;
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

  constructor(
    private readonly batches: SealBatch,
    private readonly receipts: IssueReceipt,
    private readonly signer: HeadSigner,
    private readonly steps: LogSteps,
  ) {}

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
        const entries = batch.map(({ entry }) => entry);
        const done = this.batches
          .run(entries, resolve)
          .finally(() => {
            this.uncommitted -= 1;
            this.look();
          })
          .then((sealed) => this.acknowledge(batch, sealed))
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
    this.batches.forget();
    for (const { reject } of batch) reject(error);
  }

  private async acknowledge(batch: readonly Waiting[], { outcomes, head }: SealedBatch): Promise<void> {
    const placed: { readonly waiting: Waiting; readonly place: Placed }[] = [];
    for (const [position, waiting] of batch.entries()) {
      const outcome = outcomes[position];
      if (!outcome) throw new Error('An entry was placed nowhere.');
      if (outcome instanceof Fault) waiting.reject(outcome);
      else placed.push({ waiting, place: outcome });
    }
    const signed = placed.some(({ place }) => place.path) ? await this.signer.signForReceipts(head) : undefined;
    await this.steps.reached('before acknowledging');
    for (const { waiting, place } of placed) {
      const { index, path } = place;
      if (path && signed) waiting.resolve({ index, receipt: encodeReceipt({ ...signed, index, path }) });
      // Logged before: the answer is what it was then.
      else this.receipts.run({ index }).then((receipt) => waiting.resolve({ index, receipt }), waiting.reject);
    }
  }
}
