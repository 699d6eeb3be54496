import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { Db } from '../db/db.ts';
import { type FeedEntry, FeedReader } from '../log/search/feed.reader.ts';
import { ServedLog } from '../log/served-log.ts';
import { showEntry } from '../log/search/show-entry.ts';
import { Random } from '../random.ts';
import { toFeedFilter } from './follow-query.ts';
import { ForbiddenAddress, postOutside } from './post-outside.ts';
import { signNotification } from './sign-notification.ts';
import { type Delivery, type Progress, type Subscription, SubscriptionStore } from './subscription.store.ts';

/** Subscriptions that one process delivers for at once. */
const AT_ONCE = 32;
/** How long it goes on with one before it is another one's turn, and after what time another process may take over. */
const TURN_MS = 20_000;
const LEASE_MS = 60_000;
/** Entries that are looked through at once. */
const WINDOW = 2_048n;
const FIRST_RETRY_MS = 5_000;
const LONGEST_RETRY_MS = 3_600_000;
/** After so long without a single success a subscription is given up. */
const GIVE_UP_MS = 5 * 86_400_000;
const GONE = 410;

/**
 * Tells subscribers of new entries: each of them in order of index, at least once. The position moves only when the other side
 * has answered 2xx, so a crash in between, here or there, makes an entry come twice, under the same `webhook-id`.
 *
 * A subscriber who is slow or gone makes nobody wait but itself.
 */
@Injectable()
export class DeliverNotifications implements BeforeApplicationShutdown {
  private readonly logger = new Logger(DeliverNotifications.name);
  private readonly underWay = new Set<Promise<void>>();
  private isStopping = false;

  constructor(
    private readonly db: Db,
    private readonly feed: FeedReader,
    private readonly store: SubscriptionStore,
    private readonly config: Config,
    private readonly log: ServedLog,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  /** Cheap enough to be asked every second. */
  async isDue(): Promise<boolean> {
    return this.underWay.size < AT_ONCE && this.store.hasDue(await this.feed.size(), this.clock.now());
  }

  /** Begins with what is due, and does not wait for it. */
  async run(): Promise<void> {
    const now = this.clock.now();
    const size = await this.feed.size();
    const lease = encodeHex(this.random.bytes(16));
    const until = new Date(now.getTime() + LEASE_MS);
    const free = AT_ONCE - this.underWay.size;
    const taken = await this.db.transaction((tx) => this.store.lease(tx, size, free, now, until, lease));
    for (const subscription of taken) {
      const turn = this.turn(subscription, lease)
        .catch((error: unknown) => this.logger.error({ msg: `Notifications to ${subscription.id} failed`, err: error }))
        .finally(() => this.underWay.delete(turn));
      this.underWay.add(turn);
    }
  }

  /** Waits for what is under way. */
  async settle(): Promise<void> {
    while (this.underWay.size > 0) await Promise.all(this.underWay);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    await this.settle();
  }

  private async turn(subscription: Subscription, lease: string): Promise<void> {
    const { id } = subscription;
    const filter = toFeedFilter(subscription.filter);
    const begun = performance.now();
    const isOver = (): boolean => this.isStopping || performance.now() - begun > TURN_MS;
    let progress: Progress = subscription;
    for (let size = await this.feed.size(); progress.position < size && !isOver();) {
      const to = progress.position + WINDOW < size ? progress.position + WINDOW : size;
      for (const entry of await this.feed.entries(progress.position, to, filter)) {
        if (isOver()) break;
        const delivery = await this.attempt(subscription, entry);
        progress = this.after(delivery, progress);
        const isHeld = await this.db.transaction((tx) => this.store.note(tx, id, lease, delivery, progress));
        if (!isHeld) return; // it was ended, or sent elsewhere in the log
        if (delivery.outcome !== 'delivered') return this.release(id, lease);
      }
      if (isOver()) break;
      progress = { ...progress, position: to };
      if (!(await this.db.transaction((tx) => this.store.progress(tx, id, lease, progress)))) return;
      size = await this.feed.size();
    }
    await this.release(id, lease);
  }

  private release(id: string, lease: string): Promise<void> {
    return this.db.transaction((tx) => this.store.release(tx, id, lease));
  }

  private async attempt({ id, url, secret }: Subscription, entry: FeedEntry): Promise<Delivery> {
    const at = this.clock.now();
    const begun = performance.now();
    const body = encodeUtf8(JSON.stringify(this.event(entry)));
    const headers = {
      ...signNotification(secret, `${id}_${entry.index}`, at, body),
      'Content-Type': 'application/cloudevents+json; charset=utf-8',
      'User-Agent': 'margo-trust-registry',
    };
    const outcome = await postOutside(url, headers, body, {
      allowsLoopback: this.config.allowsWebhooksToLoopback,
    }).then(
      (status) => ({ outcome: status >= 200 && status < 300 ? ('delivered' as const) : ('refused' as const), status }),
      (error: unknown) => ({
        outcome: error instanceof ForbiddenAddress ? ('forbidden' as const) : ('unreachable' as const),
      }),
    );
    return { index: entry.index, at, ...outcome, milliseconds: Math.round(performance.now() - begun) };
  }

  /** CloudEvents 1.0, structured mode. Source and id together name the entry for ever. */
  private event(entry: FeedEntry): object {
    const data = showEntry(entry);
    return {
      specversion: '1.0',
      type: 'margo.trust.log.entry.v1',
      source: `https://${this.config.domain}${this.log.path.replace(/\/$/, '')}`,
      id: data.index,
      subject: data.subject,
      time: data.registeredAt,
      datacontenttype: 'application/json',
      data,
    };
  }

  private after({ index, at, outcome, status }: Delivery, before: Progress): Progress {
    if (outcome === 'delivered') return { position: index + 1n, failures: 0, nextAttemptAt: at };
    const failures = before.failures + 1;
    const failingSince = before.failingSince ?? at;
    const pause = Math.min(FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 20), LONGEST_RETRY_MS);
    const isGivenUp = status === GONE || at.getTime() - failingSince.getTime() >= GIVE_UP_MS;
    return {
      position: index,
      failures,
      failingSince,
      // Between half and all of the pause, so that many who failed together do not come back together.
      nextAttemptAt: new Date(at.getTime() + pause * (0.5 + this.fraction() / 2)),
      ...(isGivenUp && { disabledAt: at }),
    };
  }

  /** 0 to below 1. */
  private fraction(): number {
    const [high = 0, low = 0] = this.random.bytes(2);
    return (high * 256 + low) / 65_536;
  }
}
