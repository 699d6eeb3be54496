import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module.ts';
import { FeedReader } from '../log/search/feed.reader.ts';
import { LogModule } from '../log/log.module.ts';
import { DeliverNotifications } from './deliver-notifications.ts';
import { EntryFeed } from './entry-feed.ts';
import { FollowController } from './follow.controller.ts';
import { FollowEntries } from './follow-entries.ts';
import { KeepSubscriptions } from './keep-subscriptions.ts';
import { SubscriptionStore } from './subscription.store.ts';
import { SubscriptionsController } from './subscriptions.controller.ts';

/** Who wants to hear of the log, and how they are told. */
@Module({
  imports: [AuditModule, LogModule],
  controllers: [FollowController, SubscriptionsController],
  providers: [DeliverNotifications, EntryFeed, FeedReader, FollowEntries, KeepSubscriptions, SubscriptionStore],
})
export class NotificationsModule {}
