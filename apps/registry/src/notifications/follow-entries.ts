import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { FeedFilter } from '../log/search/feed.reader.ts';
import { showEntry } from '../log/search/show-entry.ts';
import { EntryFeed } from './entry-feed.ts';
import type { IncomingMessage } from 'node:http';
import { Config } from '../config.ts';
import { CallerAddress } from '../http/caller-address.ts';
import { networkOf } from '../http/networks.ts';
import type { EventStream } from './event-stream.ts';
import { NotificationFault } from './notification.fault.ts';

/** Followers at once: in this process, and from one address or network, as rate limits count them. */
const FOLLOWERS = { all: 1_000, each: 32 };
const HEARTBEAT_MS = 15_000;

/** Sends the log's entries to whoever follows it: committed ones, in order, none left out. */
@Injectable()
export class FollowEntries implements OnApplicationShutdown {
  private readonly byAddress = new Map<string, number>();
  private readonly streams = new Set<EventStream>();
  private all = 0;

  private readonly callers: CallerAddress;

  constructor(
    private readonly feed: EntryFeed,
    config: Config,
  ) {
    this.callers = new CallerAddress(config.trustedProxies);
  }

  /** A place for a follower, given back by what it returns. Throws NotificationFault `follow/too-many`. */
  admit(request: IncomingMessage): () => void {
    const address = networkOf(this.callers.of(request));
    const own = this.byAddress.get(address) ?? 0;
    if (own >= FOLLOWERS.each || this.all >= FOLLOWERS.all) {
      throw new NotificationFault('follow/too-many', 'Too many follow the log already; close a connection first.');
    }
    this.byAddress.set(address, own + 1);
    this.all += 1;
    return () => {
      const left = (this.byAddress.get(address) ?? 1) - 1;
      if (left > 0) this.byAddress.set(address, left);
      else this.byAddress.delete(address);
      this.all -= 1;
    };
  }

  /** Follows from an index on until the other side goes, or this one ends. */
  async run(stream: EventStream, filter: FeedFilter, from: bigint): Promise<void> {
    const unfollow = this.feed.follow();
    this.streams.add(stream);
    try {
      let at = from;
      let beatenAt = performance.now();
      while (!stream.signal.aborted) {
        const { entries, next } = await this.feed.read(at, filter);
        for (const entry of entries) {
          if (stream.signal.aborted) return;
          await stream.send({ id: entry.index, type: 'entry', data: JSON.stringify(showEntry(entry)) });
        }
        if (entries.length > 0) beatenAt = performance.now();
        const isIdle = next === at;
        at = next;
        if (performance.now() - beatenAt >= HEARTBEAT_MS) {
          await stream.beat(at > 0n ? at - 1n : undefined);
          beatenAt = performance.now();
        }
        if (isIdle) await this.feed.wait(at, HEARTBEAT_MS, stream.signal);
      }
    } finally {
      this.streams.delete(stream);
      unfollow();
    }
  }

  /** Ends every stream, so that a server that is stopping need not wait for them. They come back elsewhere. */
  endAll(): void {
    for (const stream of this.streams) stream.end();
  }

  onApplicationShutdown(): void {
    this.endAll();
  }
}
