import { Controller, Delete, Get, Param, Post, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import {
  LogDeliveryList,
  LogSubscription,
  LogSubscriptionList,
  LogSubscriptionRequest,
  RedeliveryRequest,
} from '@margo-trust/wire';
import { Identity } from '../callers/identity.ts';
import { Caller, Requires } from '../callers/requires.ts';
import { JsonBody } from '../http/body.ts';
import { Endpoint } from '../http/endpoint.ts';
import { wireTime } from '../wire-time.ts';
import { ServedLog } from '../log/served-log.ts';
import { KeepSubscriptions } from './keep-subscriptions.ts';
import { showSecret } from './sign-notification.ts';
import type { Subscription } from './subscription.store.ts';

/** Whom the registry tells of new entries, at an address of theirs. Each organisation sees its own only. */
@Requires('signed-in')
@ApiTags('log')
@Controller('api/v1/log/subscriptions')
export class SubscriptionsController {
  constructor(
    private readonly subscriptions: KeepSubscriptions,
    private readonly log: ServedLog,
  ) {}

  @Post()
  @Endpoint({
    summary: 'Be told of new entries by signed CloudEvents',
    description: 'For members of the organisation. From the next entry on; go back with a redelivery.',
    accepts: LogSubscriptionRequest,
    status: 201,
    answers: LogSubscription,
    refuses: ['http/invalid-body', 'caller/forbidden', 'subscription/address-refused', 'subscription/too-many'],
  })
  async create(
    @Caller() caller: Identity,
    @JsonBody(LogSubscriptionRequest) request: LogSubscriptionRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<LogSubscription> {
    const subscription = await this.subscriptions.begin(caller, request);
    response.setHeader('Location', `${this.log.apiPath}/subscriptions/${subscription.id}`);
    return { ...show(subscription), secret: showSecret(subscription.secret) };
  }

  @Get()
  @Endpoint({ summary: 'The subscriptions of the caller’s organisations', answers: LogSubscriptionList })
  async list(@Caller() caller: Identity): Promise<LogSubscriptionList> {
    return { items: (await this.subscriptions.of(caller)).map(show) };
  }

  @Get(':id/deliveries')
  @Endpoint({
    summary: 'The newest attempts, newest first',
    answers: LogDeliveryList,
    refuses: ['subscription/not-found'],
  })
  async deliveries(@Caller() caller: Identity, @Param('id') id: string): Promise<LogDeliveryList> {
    const items = await this.subscriptions.deliveries(caller, id);
    return { items: items.map((one) => ({ ...one, index: one.index.toString(), at: wireTime(one.at) })) };
  }

  @Post(':id/redelivery')
  @Endpoint({
    summary: 'Go to a position in the log and tell from there on; revives one that was given up',
    accepts: RedeliveryRequest,
    status: 201,
    answers: LogSubscription,
    refuses: ['http/invalid-body', 'subscription/not-found', 'subscription/unknown-position'],
  })
  async redeliver(
    @Caller() caller: Identity,
    @Param('id') id: string,
    @JsonBody(RedeliveryRequest) { from }: RedeliveryRequest,
  ): Promise<LogSubscription> {
    return show(await this.subscriptions.goTo(caller, id, BigInt(from)));
  }

  @Delete(':id')
  @Endpoint({ summary: 'End a subscription', status: 204, refuses: ['subscription/not-found'] })
  async end(@Caller() caller: Identity, @Param('id') id: string): Promise<void> {
    await this.subscriptions.end(caller, id);
  }
}

function show(subscription: Subscription): LogSubscription {
  const { id, organisation, url, filter, createdAt, position, failures, nextAttemptAt, disabledAt } = subscription;
  return {
    id,
    organisation,
    url,
    ...filter,
    createdAt: wireTime(createdAt),
    position: position.toString(),
    failures,
    ...(failures > 0 && !disabledAt && { nextAttemptAt: wireTime(nextAttemptAt) }),
    ...(disabledAt && { disabledAt: wireTime(disabledAt) }),
  };
}
