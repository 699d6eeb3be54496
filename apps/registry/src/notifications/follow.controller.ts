import { Controller, Get, Headers, Query, Req, Res } from '@nestjs/common';
import { ApiProduces, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { LogFeedPage } from '@margo-trust/wire';
import { Requires } from '../callers/requires.ts';
import { Endpoint } from '../http/endpoint.ts';
import type { FeedFilter } from '../log/search/feed.reader.ts';
import { showEntry } from '../log/search/show-entry.ts';
import { EntryFeed } from './entry-feed.ts';
import { EventStream } from './event-stream.ts';
import { FollowEntries } from './follow-entries.ts';
import { readFollowQuery, readLastEventId } from './follow-query.ts';

/** Items of one answer to who asks now and then. */
const PAGE = 200;
/** Pieces of the log that are looked through for one such answer. */
const WINDOWS = 16;

/** The log as it grows, for who listens and for who asks now and then. */
@Requires('anyone')
@ApiTags('log')
@Controller('api/v1/log')
export class FollowController {
  constructor(
    private readonly feed: EntryFeed,
    private readonly followers: FollowEntries,
  ) {}

  @Get('follow')
  @Endpoint({
    summary: 'Follow the log, oldest entries first',
    description:
      'With `Accept: text/event-stream` new entries come as Server-Sent Events called `entry`, with the index as id; else one ' +
      'page. `after` is the index of the last entry seen; without it, and without `Last-Event-ID`, only what is new comes.',
    answers: LogFeedPage,
    refuses: ['http/invalid-query', 'follow/too-many'],
  })
  @ApiProduces('application/json', 'text/event-stream')
  @ApiQuery({ name: 'vendor', required: false, schema: { type: 'string', maxLength: 300 } })
  @ApiQuery({ name: 'application', required: false, schema: { type: 'string', maxLength: 200 } })
  @ApiQuery({ name: 'digest', required: false, schema: { type: 'string', maxLength: 80 } })
  @ApiQuery({ name: 'certificate', required: false, schema: { type: 'string', maxLength: 64 } })
  @ApiQuery({ name: 'after', required: false, schema: { type: 'string', maxLength: 18 } })
  async follow(
    @Query() query: Record<string, unknown>,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const { filter, after } = readFollowQuery(query);
    // A browser that comes back repeats the address it began with; what it has seen since is in the header.
    const last = readLastEventId(lastEventId) ?? after;
    const from = last === undefined ? await this.feed.loadSize() : last + 1n;
    if (request.method === 'HEAD' || !request.headers.accept?.includes('text/event-stream')) {
      response.set('Cache-Control', 'no-store').json(await this.page(from, filter));
      return;
    }
    const leave = this.followers.admit(request);
    try {
      await this.followers.run(new EventStream(response), filter, from);
    } catch {
      response.destroy(); // half sent: the follower sees a broken connection, and comes back
    } finally {
      leave();
    }
  }

  /** What comes next, looking a bounded way ahead for something that matches. */
  private async page(from: bigint, filter: FeedFilter): Promise<LogFeedPage> {
    let page = await this.feed.read(from, filter);
    for (let i = 1, at = from; i < WINDOWS && page.entries.length === 0 && page.next > at; i += 1) {
      at = page.next;
      page = await this.feed.read(at, filter);
    }
    const items = page.entries.slice(0, PAGE);
    const seen = page.entries.length > PAGE ? (items.at(-1)?.index ?? from) : page.next - 1n;
    return { items: items.map(showEntry), ...(seen >= 0n && { after: seen.toString() }) };
  }
}
