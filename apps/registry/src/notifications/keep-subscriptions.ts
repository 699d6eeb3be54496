import { Injectable } from '@nestjs/common';
import { encodeHex } from '@margo-trust/bytes';
import type { LogSubscriptionRequest } from '@margo-trust/wire';
import { AuditTrail } from '../audit/audit-trail.store.ts';
import { CallerFault } from '../callers/caller.fault.ts';
import type { Identity } from '../callers/identity.ts';
import { Clock } from '../clock.ts';
import { Config } from '../config.ts';
import { Db } from '../db/db.ts';
import { FeedReader } from '../log/search/feed.reader.ts';
import { Random } from '../random.ts';
import { NotificationFault } from './notification.fault.ts';
import { flawOfOutsideUrl } from './post-outside.ts';
import { type Delivery, type Subscription, SubscriptionStore } from './subscription.store.ts';

/** Subscriptions of one organisation. */
const MOST = 20;
const SHOWN_DELIVERIES = 100;

/** Begins, ends and moves subscriptions for members of the organisation that owns them. Others cannot tell that one exists. */
@Injectable()
export class KeepSubscriptions {
  constructor(
    private readonly db: Db,
    private readonly store: SubscriptionStore,
    private readonly feed: FeedReader,
    private readonly audit: AuditTrail,
    private readonly config: Config,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  /** Hears of what is logged from now on. The secret is in what this returns, and shown to nobody again. */
  async begin(caller: Identity, request: LogSubscriptionRequest): Promise<Subscription> {
    const { organisation, url, vendor, application, digest, certificate } = request;
    if (!caller.belongsTo(organisation)) {
      throw new CallerFault('caller/forbidden', 'Only members of the organisation may subscribe for it.');
    }
    const flaw = flawOfOutsideUrl(url, { allowsLoopback: this.config.allowsWebhooksToLoopback });
    if (flaw !== undefined) throw new NotificationFault('subscription/address-refused', flaw);
    const now = this.clock.now();
    const subscription: Subscription = {
      id: encodeHex(this.random.bytes(13)),
      organisation,
      url,
      filter: {
        ...(vendor !== undefined && { vendor }),
        ...(application !== undefined && { application }),
        ...(digest !== undefined && { digest }),
        ...(certificate !== undefined && { certificate }),
      },
      secret: this.random.bytes(32),
      position: await this.feed.size(),
      failures: 0,
      nextAttemptAt: now,
      createdAt: now,
    };
    await this.db.transaction(async (tx) => {
      if ((await this.store.count(tx, organisation)) >= MOST) {
        throw new NotificationFault('subscription/too-many', `An organisation has ${MOST} subscriptions at most.`);
      }
      await this.store.insert(tx, subscription, caller.name);
      await this.note(tx, caller, 'log-subscription-begun', subscription.id, { organisation, url });
    });
    return subscription;
  }

  of(caller: Identity): Promise<Subscription[]> {
    return this.store.of(caller.memberships.map(({ organisation }) => organisation));
  }

  async deliveries(caller: Identity, id: string): Promise<Delivery[]> {
    await this.load(caller, id);
    return this.store.deliveries(id, SHOWN_DELIVERIES);
  }

  async goTo(caller: Identity, id: string, position: bigint): Promise<Subscription> {
    await this.load(caller, id);
    if (position > (await this.feed.size())) {
      throw new NotificationFault('subscription/unknown-position', 'The log has no entry there yet.');
    }
    await this.db.transaction(async (tx) => {
      await this.store.rewind(tx, id, position, this.clock.now());
      await this.note(tx, caller, 'log-subscription-moved', id, { position: position.toString() });
    });
    return this.load(caller, id);
  }

  async end(caller: Identity, id: string): Promise<void> {
    await this.load(caller, id);
    await this.db.transaction(async (tx) => {
      await this.store.remove(tx, id);
      await this.note(tx, caller, 'log-subscription-ended', id, {});
    });
  }

  private async load(caller: Identity, id: string): Promise<Subscription> {
    const found = /^[0-9a-f]{26}$/.test(id) ? await this.store.find(id) : undefined;
    if (found && caller.belongsTo(found.organisation)) return found;
    throw new NotificationFault('subscription/not-found', 'There is no subscription with this id.');
  }

  private note(tx: Parameters<AuditTrail['append']>[0], caller: Identity, action: string, id: string, detail: object) {
    return this.audit.append(tx, { actor: caller.name, action, subject: `log-subscription:${id}`, detail });
  }
}
