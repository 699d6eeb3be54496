import { setTimeout as pause } from 'node:timers/promises';
import { type INestApplicationContext, Logger } from '@nestjs/common';
import { Db } from './db/db.ts';
import { IndexForSearch } from './log/search/index-for-search.ts';
import { KeepTransitions } from './log/keys/keep-transitions.ts';
import { PrunePartialTiles } from './log/tiles/prune-partial-tiles.ts';
import { PublishTiles } from './log/tiles/publish-tiles.ts';
import { DurabilityLost } from './log/tiles/tile-store.ts';
import { CollectCosignatures } from './log/witnessing/collect-cosignatures.ts';
import { DeliverNotifications } from './notifications/deliver-notifications.ts';
import { UpdateIndexMap } from './log/search/update-index-map.ts';
import { RunningLogs } from './log/running-logs.ts';
import { FIRST_LOG, ServedLog } from './log/served-log.ts';
import { Canary } from './revocation/canary.ts';
import { IssueCrl } from './revocation/issue-crl.ts';
import { PublishTrustRoot } from './trust-root/publish-trust-root.ts';
import { RenewTargets } from './trust-root/renew-targets.ts';

/** Work that somebody must do before long, no matter which process. */
export interface Job {
  readonly name: string;
  /** Tells jobs apart in PostgreSQL's advisory locks. */
  readonly lock: number;
  /** Asked every second. */
  isDue(): Promise<boolean>;
  run(): Promise<void>;
}

/**
 * The registry's dated work, in this order: CRLs are part of the trust root. What catches up with the log has workers of
 * its own, since it may be long, or its store or a witness slow, and a revocation must not wait for it. `onLost` is called when going on
 * would do harm: the process should end.
 */
export function startWorker(app: INestApplicationContext, onLost: (why: string) => void): Pick<Worker, 'stop'> {
  const [crls, trustRoot] = [app.get(IssueCrl), app.get(PublishTrustRoot)];
  const targets = app.get(RenewTargets);
  const map = app.get(UpdateIndexMap);
  const canary = app.get(Canary);
  const db = app.get(Db);
  const workers = [
    new Worker(db, [
      { name: 'CRLs', lock: 1, isDue: () => crls.isDue(), run: () => crls.run() },
      { name: 'targets', lock: 72, isDue: () => targets.isDue(), run: () => targets.run() },
      // So that the checkpoint in the trust root covers a record of the index over nearly all before it.
      {
        name: 'index',
        lock: 12,
        isDue: async () => (await trustRoot.isDue()) && (await map.isNear()),
        run: () => map.run(),
      },
      { name: 'trust root', lock: 2, isDue: () => trustRoot.isDue(), run: () => trustRoot.run() },
    ]),
    ...logWorkers(app, onLost),
    new Worker(db, [{ name: 'canary', lock: 66, isDue: () => canary.isDue(), run: () => canary.run() }]),
  ];
  for (const worker of workers) worker.start();
  app.get(RunningLogs).onServed((log) => {
    for (const worker of logWorkers(log.app, onLost)) {
      workers.push(worker);
      worker.start();
    }
  });
  return { stop: async () => void (await Promise.all(workers.map((worker) => worker.stop()))) };
}

/** The work on one log, by workers of its own: another log does not wait for it. */
function logWorkers(app: INestApplicationContext, onLost: (why: string) => void): Worker[] {
  const [db, log] = [app.get(Db), app.get(ServedLog)];
  const [search, map] = [app.get(IndexForSearch), app.get(UpdateIndexMap)];
  const [tiles, prune] = [app.get(PublishTiles), app.get(PrunePartialTiles)];
  const [transitions, cosignatures] = [app.get(KeepTransitions), app.get(CollectCosignatures)];
  const job = (name: string, lock: number, work: Pick<Job, 'isDue' | 'run'>): Job => ({
    name: log.name === undefined ? name : `${name} of ${log.name}`,
    lock: lock + (log.id - FIRST_LOG) * LOCKS_OF_A_LOG,
    isDue: () => work.isDue(),
    run: () => work.run(),
  });
  return [
    new Worker(db, [job('search', 11, search), job('index', 12, map)]),
    new Worker(db, [job('tiles', 3, tiles), job('partial tiles', 4, prune)], onLost),
    new Worker(db, [job('key transitions', 61, transitions), job('cosignatures', 45, cosignatures)]),
    new Worker(db, [job('notifications', 5, app.get(DeliverNotifications))]),
  ];
}

/**
 * Does jobs as they fall due, one after the other. Several workers do not do the same job at once: whoever finds it taken
 * passes on. A job that fails is tried again a second later, and the others are done meanwhile. Only when a disk did
 * not confirm a write is nothing tried again.
 */
export class Worker {
  private readonly stopping = new AbortController();
  private readonly failures = new Map<string, number>();
  private readonly logger = new Logger(Worker.name);
  private running: Promise<void> | undefined;

  constructor(
    private readonly db: Db,
    private readonly jobs: readonly Job[],
    private readonly onLost: (why: string) => void = () => undefined,
    private readonly standsStillMs = STANDS_STILL_MS,
  ) {}

  start(): void {
    this.running ??= this.work();
  }

  /** Waits for the job under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async work(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      for (const job of this.jobs) {
        if (!signal.aborted) await this.attempt(job);
      }
      await pause(1_000, undefined, { signal }).catch(() => undefined);
    }
  }

  private async attempt(job: Job): Promise<void> {
    try {
      if (await job.isDue()) await this.runAlone(job);
      this.failures.delete(job.name);
    } catch (error) {
      if (error instanceof DurabilityLost) {
        this.logger.fatal({ msg: `${job.name}: the disk failed`, err: error });
        this.stopping.abort();
        this.onLost(`${error.message} Start again when the disk is well: what was acknowledged is in the database.`);
        return;
      }
      const failures = (this.failures.get(job.name) ?? 0) + 1;
      this.failures.set(job.name, failures);
      // Once a minute is enough to be seen, and does not fill a disk overnight.
      if (failures % 60 === 1) this.logger.error({ msg: `${job.name}: failed ${failures} times in a row`, err: error });
    }
  }

  /**
   * The lock belongs to a transaction, so it is gone when this process is. A process that stands still (a paused machine) is not gone:
   * its transaction ends when it has given no sign of life for a while, and others do the job.
   */
  private async runAlone(job: Job): Promise<void> {
    await this.db.transaction(async (tx) => {
      const [row] = await tx.query<{ isMine: boolean }[]>(
        `SELECT pg_try_advisory_xact_lock($1, $2) AS "isMine", set_config('idle_in_transaction_session_timeout', $3, true)`,
        [JOB_LOCKS, job.lock, `${this.standsStillMs}`],
      );
      if (!row?.isMine) return;
      const signs = setInterval(() => void tx.query('SELECT 1').catch(() => undefined), this.standsStillMs / 5);
      try {
        await job.run();
      } finally {
        clearInterval(signs);
      }
    });
  }
}

/** The transactions that publish CRLs and the trust root have the same limit. */
const STANDS_STILL_MS = 20_000;

const JOB_LOCKS = 0x6a6f6273; // "jobs"
/** More than the number of any job. */
const LOCKS_OF_A_LOG = 1_000;
