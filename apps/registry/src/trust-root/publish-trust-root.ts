import { Injectable } from '@nestjs/common';
import { describeTarget, parseTargets } from '@margo-trust/tuf';
import { Clock } from '../clock.ts';
import { Db, type Tx } from '../db/db.ts';
import { TrustSteps } from '../trust-steps.ts';
import { CollectLiveTargets } from './collect-live-targets.ts';
import { SignOnlineRoles } from './sign-online-roles.ts';
import { type CurrentTrustRoot, TrustRootReader } from './trust-root.reader.ts';
import { TrustRootStore } from './trust-root.store.ts';
import { TufRepository } from './tuf-repository.ts';

/** Even when nothing changes: devices must be able to tell a quiet registry from a mirror that somebody froze. */
const RENEW_AFTER_MS = 24 * 3_600_000;

/**
 * Keeps the published trust root true: publishes when a vendor, a revocation or a CRL has changed, and once a day.
 *
 * Any number of processes may run it at once: they take turns, and who comes second finds nothing to do. All files of a
 * publication become visible in one commit. A crash before it leaves the old ones, and the work still due.
 */
@Injectable()
export class PublishTrustRoot {
  constructor(
    private readonly db: Db,
    private readonly reader: TrustRootReader,
    private readonly store: TrustRootStore,
    private readonly collect: CollectLiveTargets,
    private readonly sign: SignOnlineRoles,
    private readonly repository: TufRepository,
    private readonly clock: Clock,
    private readonly steps: TrustSteps,
  ) {}

  /** Cheap enough to be asked every second. False before genesis. */
  async isDue(): Promise<boolean> {
    const current = await this.reader.findCurrent();
    return current !== undefined && this.isOutdated(current, await this.stateFor(current));
  }

  /** Whether devices have nothing to fetch yet: the ceremony was held, and nothing was published. */
  async isFirstDue(): Promise<boolean> {
    const current = await this.reader.findCurrent();
    return current !== undefined && current.publishedAt === undefined;
  }

  async run(): Promise<void> {
    await this.db.transaction(async (tx) => {
      const current = await this.store.lockCurrent(tx);
      if (current === undefined) return;
      // Before the files: what changes in between makes the next publication due, and is not missed.
      const madeFrom = await this.stateFor(current, tx);
      if (!this.isOutdated(current, madeFrom)) return;

      const now = this.clock.now();
      const files = await this.collect.run(tx, now);
      await this.steps.reached('targets collected');
      const metadata = await this.sign.run(tx, current, files, now);
      await this.steps.reached('trust root signed');
      await this.repository.addTargets(tx, await this.withoutPublished(tx, current, files));
      await this.steps.reached('targets published');
      await this.repository.addMetadata(tx, { ...metadata });
      await this.steps.reached('trust root logged');
      await this.store.moveCurrent(tx, {
        live: current.live + 1,
        snapshot: current.snapshot + 1,
        timestamp: current.timestamp + 1,
        madeFrom,
        publishedAt: now,
      });
    });
    await this.steps.reached('trust root committed');
  }

  private async stateFor({ root, targets }: CurrentTrustRoot, tx?: Tx): Promise<string> {
    return `root ${root} targets ${targets} ${await this.collect.state(tx)}`;
  }

  private isOutdated({ madeFrom, publishedAt }: CurrentTrustRoot, state: string): boolean {
    return (
      publishedAt === undefined ||
      madeFrom !== state ||
      this.clock.now().getTime() - publishedAt.getTime() >= RENEW_AFTER_MS
    );
  }

  /** Targets that the last publication had too lie under their hash already. */
  private async withoutPublished(
    tx: Tx,
    { live }: CurrentTrustRoot,
    files: Readonly<Record<string, Uint8Array>>,
  ): Promise<Readonly<Record<string, Uint8Array>>> {
    const last = await this.reader.findMetadata('live', live, tx);
    const published = last === undefined ? {} : parseTargets(last).signed.targets;
    const isNew = ([name, body]: [string, Uint8Array]) =>
      published[name]?.hashes.sha256 !== describeTarget(body).hashes.sha256;
    return Object.fromEntries(Object.entries(files).filter(isNew));
  }
}
