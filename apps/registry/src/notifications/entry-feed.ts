import { Injectable, Logger } from '@nestjs/common';
import { areEqualBytes } from '@margo-trust/bytes';
import { type FeedEntry, type FeedFilter, FeedReader } from '../log/search/feed.reader.ts';

export interface FeedPage {
  /** Those that match, lowest index first. */
  readonly entries: readonly FeedEntry[];
  /** Where to go on: everything below has been looked through. */
  readonly next: bigint;
}

const POLL_MS = 200;
/** Entries that are kept in memory for followers who keep up. */
const RECENT = 2_048;
/** Entries that are looked through at once for a follower who comes from further back. */
const WINDOW = 2_048n;
/** Followers for whom the database is read at once; the others wait. */
const READERS = 4;

/**
 * The committed log as followers pull it. One question every 200 ms serves all who keep up; those who do not are read to from
 * the database, a few at a time. Nothing is pushed and nothing is kept for anybody, so no follower can make the others wait,
 * and the log does not know that there are any.
 */
@Injectable()
export class EntryFeed {
  private readonly logger = new Logger(EntryFeed.name);
  private size = 0n;
  /** The newest entries, without gaps, up to `size`. */
  private recent: FeedEntry[] = [];
  private followers = 0;
  private polling: NodeJS.Timeout | undefined;
  private readonly sleeping = new Set<() => void>();
  private readers = 0;
  private readonly queue: (() => void)[] = [];

  constructor(private readonly reader: FeedReader) {}

  /** Number of committed entries, asked for now. */
  async loadSize(): Promise<bigint> {
    return this.reader.size();
  }

  /** Begins to look for new entries; call what it returns when the follower is gone. */
  follow(): () => void {
    this.followers += 1;
    this.polling ??= this.pollSoon();
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.followers -= 1;
    };
  }

  /** The next entries from an index on, as far as they are known. Nothing new: `next` is `from`. */
  async read(from: bigint, filter: FeedFilter): Promise<FeedPage> {
    const size = from < this.size ? this.size : await this.reader.size();
    if (from >= size) return { entries: [], next: from };
    const oldest = this.size - BigInt(this.recent.length);
    if (from >= oldest && from < this.size) {
      const entries = this.recent.slice(Number(from - oldest)).filter((entry) => isWanted(entry, filter));
      return { entries, next: this.size };
    }
    const next = from + WINDOW < size ? from + WINDOW : size;
    return { entries: await this.readInTurn(from, next, filter), next };
  }

  /** Returns when there are entries from `from` on, when `milliseconds` have passed, or when `signal` is aborted. */
  async wait(from: bigint, milliseconds: number, signal: AbortSignal): Promise<void> {
    if (from < this.size || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        this.sleeping.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, milliseconds);
      signal.addEventListener('abort', wake);
      this.sleeping.add(wake);
    });
  }

  private pollSoon(): NodeJS.Timeout {
    return setTimeout(() => {
      void this.poll().finally(() => (this.polling = this.followers > 0 ? this.pollSoon() : undefined));
    }, POLL_MS).unref();
  }

  private async poll(): Promise<void> {
    try {
      const size = await this.reader.size();
      if (size <= this.size) return;
      const from = size - this.size > BigInt(RECENT) ? size - BigInt(RECENT) : this.size;
      const fresh = await this.reader.entries(from, size);
      const known = from === this.size ? this.recent : [];
      this.recent = [...known, ...fresh].slice(-RECENT);
      this.size = size;
      for (const wake of [...this.sleeping]) wake();
    } catch (error) {
      this.logger.warn({ msg: 'Followers of the log wait: the database does not answer', err: error });
    }
  }

  private async readInTurn(from: bigint, to: bigint, filter: FeedFilter): Promise<FeedEntry[]> {
    if (this.readers >= READERS) await new Promise<void>((resolve) => this.queue.push(resolve));
    else this.readers += 1;
    try {
      return await this.reader.entries(from, to, filter);
    } finally {
      const next = this.queue.shift();
      if (next) next();
      else this.readers -= 1;
    }
  }
}

function isWanted(entry: FeedEntry, { vendorId, applicationId, certificate, term }: FeedFilter): boolean {
  return (
    (vendorId === undefined || entry.vendorId === vendorId) &&
    (applicationId === undefined || entry.applicationId === applicationId) &&
    (certificate === undefined || (!!entry.certificate && areEqualBytes(entry.certificate, certificate))) &&
    (term === undefined || entry.mentions.includes(term))
  );
}
