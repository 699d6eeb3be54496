import { Injectable } from '@nestjs/common';
import { Db } from '../../db/db.ts';
import { LogIdentity } from '../log-identity.ts';
import { toRecord, type EntryRecord, type EntryRow } from '../log.reader.ts';
import { BLOCK, commonPlaces, factsOf, type EntryFacts, type FactId } from './search-facts.ts';

export interface EntryFilter extends EntryFacts {
  readonly index?: bigint;
  readonly entry?: Uint8Array;
  /** A digest or reference that the entry speaks of. */
  readonly term?: string;
  /** Only entries from this index on. */
  readonly from?: bigint;
  /** Only entries below this index; also the cursor. */
  readonly before?: bigint;
  /** Only entries registered at this time or later. */
  readonly since?: Date;
  /** Only entries registered before this time. */
  readonly until?: Date;
  readonly limit: number;
}

export interface EntryPage {
  /** Newest first. */
  readonly records: readonly EntryRecord[];
  /**
   * The `before` of the next page; absent when nothing is left to look through. A page may be short, or empty, and have
   * one all the same: a question costs only so much.
   */
  readonly next?: bigint;
}

/** Entries read one by one for one page at most, where sets do not tell which ones to read. */
const SCAN = 16_384n;
/** Sets of one fact that are fetched at first: mostly the page is full then. */
const FIRST_SETS = 16;
/** Sets of one fact that are fetched at once from then on: a million entries. */
const SETS = 256;
/** So often for one page at most. */
const ROUNDS = 16;
/** Two replicas' clocks may differ by so much; more, and the service says that it is not well. */
const SKEW_MS = 2_000;

/** Finds entries. Everything that is found was compared with what was asked, whatever the sets say. */
@Injectable()
export class SearchReader {
  constructor(
    private readonly db: Db,
    private readonly identity: LogIdentity,
  ) {}

  /** Entries in the log, and how many blocks of them the sets cover. */
  async progress(): Promise<{ size: bigint; blocks: number }> {
    const [row] = await this.db.query<{ size: string; blocks: number | null }>(
      'SELECT size, blocks FROM log_head h LEFT JOIN log_search_progress p ON p.log_id = h.log_id WHERE h.log_id = $1',
      [this.identity.logId],
    );
    return { size: BigInt(row?.size ?? 0), blocks: row?.blocks ?? 0 };
  }

  async search(filter: EntryFilter): Promise<EntryPage> {
    if (filter.index !== undefined || filter.entry) return { records: await this.scan(filter, 0n, undefined, 1) };
    const { size, blocks } = await this.progress();
    const { from, before } = await this.span(filter, size);
    const facts = factsOf(filter, filter.term === undefined ? [] : [filter.term]);
    const written = facts.length === 0 ? 0n : BigInt(blocks) * BigInt(BLOCK);

    const found: EntryRecord[] = [];
    let at = before; // everything from here up has been looked through
    if (at > from && at > written) {
      const floor = max(from, written);
      const low = max(floor, at - SCAN);
      found.push(...(await this.scan(filter, low, at, filter.limit)));
      at = found.length < filter.limit ? low : (found.at(-1)?.index ?? low);
      if (at > floor) return { records: found, next: at };
    }
    for (let round = 0; round < ROUNDS && at > from && found.length < filter.limit; round += 1) {
      const { candidates, low } = await this.candidates(facts, from, at, round === 0 ? FIRST_SETS : SETS);
      for (;;) {
        const some = take(candidates, filter.limit - found.length);
        if (some.length === 0) break;
        found.push(...(await this.compare(filter, some)));
        at = some.at(-1) ?? at;
      }
      if (found.length < filter.limit) at = low;
    }
    return { records: found, ...(at > from && { next: at }) };
  }

  /** The part of the log that may hold anything: `from` to below `before`. */
  private async span({ from = 0n, before, since, until }: EntryFilter, size: bigint): Promise<SearchSpan> {
    const [low, high] = await Promise.all([
      since ? this.sizeAt(new Date(since.getTime() - SKEW_MS)) : 0n,
      until ? this.sizeAfter(new Date(until.getTime() + SKEW_MS)) : undefined,
    ]);
    return { from: max(from, low), before: min(min(before ?? size, high ?? size), size) };
  }

  /** A size that the log had before the time. */
  private async sizeAt(time: Date): Promise<bigint> {
    const [row] = await this.db.query<{ size: string }>(
      `SELECT size FROM log_seal WHERE log_id = $1 AND committed_at < $2 ORDER BY committed_at DESC, size DESC LIMIT 1`,
      [this.identity.logId, time],
    );
    return BigInt(row?.size ?? 0);
  }

  /** A size that the log had from the time on; none if it has not grown since. */
  private async sizeAfter(time: Date): Promise<bigint | undefined> {
    const [row] = await this.db.query<{ size: string }>(
      `SELECT size FROM log_seal WHERE log_id = $1 AND committed_at >= $2 ORDER BY committed_at, size LIMIT 1`,
      [this.identity.logId, time],
    );
    return row && BigInt(row.size);
  }

  /**
   * Which entries below `before` the sets name, highest first, down to `low`. Of each fact the next sets are read; the one
   * that reaches least far down says how far the answer goes.
   */
  private async candidates(facts: readonly FactId[], from: bigint, before: bigint, sets: number): Promise<Candidates> {
    const [top, bottom] = [Number((before - 1n) / BigInt(BLOCK)), Number(from / BigInt(BLOCK))];
    const rows = await this.db.query<{ fact: string; block: number; members: Buffer }>(
      `SELECT wanted.fact, s.block, s.members FROM unnest($2::bigint[]) AS wanted (fact)
       CROSS JOIN LATERAL (SELECT block, members FROM log_search_set
         WHERE log_id = $1 AND fact = wanted.fact AND block <= $3 AND block >= $4 ORDER BY block DESC LIMIT $5) s`,
      [this.identity.logId, facts, top, bottom, sets],
    );
    const byBlock = new Map<number, Buffer[]>();
    const reached = new Map<FactId, { count: number; lowest: number }>();
    for (const { fact, block, members } of rows) {
      byBlock.set(block, [...(byBlock.get(block) ?? []), members]);
      reached.set(fact, { count: (reached.get(fact)?.count ?? 0) + 1, lowest: block });
    }
    // Below the last set of a fact there is nothing; below the last of those fetched there may be.
    let [lowest, isLast] = [bottom, false];
    for (const { count, lowest: block } of reached.values()) if (count === sets) lowest = Math.max(lowest, block);
    for (const fact of facts) {
      const { count, lowest: block } = reached.get(fact) ?? { count: 0, lowest: Infinity };
      if (count < sets && block >= lowest) isLast = true;
    }
    const candidates = namedBy(byBlock, facts.length, { lowest, from, before });
    return { candidates, low: isLast || lowest === bottom ? from : BigInt(lowest) * BigInt(BLOCK) };
  }

  private async scan(filter: EntryFilter, low: bigint, before: bigint | undefined, limit: number) {
    const { conditions, parameters } = conditionsOf(filter, this.identity.logId);
    parameters.push(low.toString(), before?.toString() ?? null, limit);
    const n = parameters.length;
    const rows = await this.db.query<EntryRow>(
      `SELECT * FROM log_entry WHERE ${conditions}
         AND index >= $${n - 2} AND index < coalesce($${n - 1}::bigint, 9223372036854775807) ORDER BY index DESC LIMIT $${n}`,
      parameters,
    );
    return rows.map(toRecord);
  }

  private async compare(filter: EntryFilter, candidates: readonly bigint[]): Promise<EntryRecord[]> {
    const { conditions, parameters } = conditionsOf(filter, this.identity.logId);
    parameters.push(candidates.map(String));
    const rows = await this.db.query<EntryRow>(
      `SELECT * FROM log_entry WHERE ${conditions} AND index = ANY($${parameters.length}::bigint[]) ORDER BY index DESC`,
      parameters,
    );
    return rows.map(toRecord);
  }
}

interface SearchSpan {
  readonly from: bigint;
  readonly before: bigint;
}

interface Candidates {
  readonly candidates: Iterator<bigint>;
  readonly low: bigint;
}

/** What all the sets of a block name, highest first, as far as somebody asks. */
function* namedBy(
  sets: ReadonlyMap<number, readonly Buffer[]>,
  facts: number,
  { lowest, from, before }: SearchSpan & { lowest: number },
): Generator<bigint, undefined> {
  for (const block of [...sets.keys()].sort((a, b) => b - a)) {
    const ofBlock = sets.get(block) ?? [];
    if (block < lowest || ofBlock.length < facts) continue;
    const first = BigInt(block) * BigInt(BLOCK);
    for (const place of commonPlaces(ofBlock)) {
      const index = first + BigInt(place);
      if (index >= from && index < before) yield index;
    }
  }
  return undefined;
}

function take<T>(from: Iterator<T>, count: number): T[] {
  const taken: T[] = [];
  while (taken.length < count) {
    const { done, value } = from.next() as IteratorResult<T, undefined>;
    if (done) break;
    taken.push(value);
  }
  return taken;
}

/** All that a filter asks but the span of indices. */
function conditionsOf(filter: EntryFilter, logId: number): { conditions: string; parameters: unknown[] } {
  const parameters: unknown[] = [logId];
  const conditions = ['log_id = $1'];
  const where = (condition: string, value: unknown) => {
    if (value === undefined) return;
    parameters.push(value);
    conditions.push(condition.replace('?', `$${parameters.length}`));
  };
  where('vendor_id = ?', filter.vendorId);
  where('application_id = ?', filter.applicationId);
  where('version = ?', filter.version);
  where('content_type = ?', filter.contentType);
  where('certificate = ?', filter.certificate && Buffer.from(filter.certificate));
  where('subject = ?', filter.subject);
  where('index = ?', filter.index?.toString());
  where('entry = ?', filter.entry && Buffer.from(filter.entry));
  where('? = ANY(mentions)', filter.term);
  where('registered_at >= ?', filter.since);
  where('registered_at < ?', filter.until);
  return { conditions: conditions.join(' AND '), parameters };
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
