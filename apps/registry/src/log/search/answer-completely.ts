import { Injectable } from '@nestjs/common';
import {
  findInBucket,
  hashKey,
  hashLink,
  IndexMap,
  verifyMapProof,
  type IndexKey,
  type MapProof,
} from '@margo-trust/index-map';
import { hashLeaf, type Hash } from '@margo-trust/merkle';
import { HttpFault } from '../../http/http.fault.ts';
import { IndexMapReader, type MapView } from './index-map.reader.ts';
import { IssueReceipt } from '../issue-receipt.ts';
import { LogFault } from '../log.fault.ts';
import { LogReader, type EntryRecord } from '../log.reader.ts';

export interface CompleteQuestion {
  readonly key: IndexKey;
  /** The map must be made of so many entries at least. */
  readonly size?: bigint;
  /** Where the page before ended: entries of the key before this position, with paths to the tree of this size. */
  readonly cursor?: { readonly position: bigint; readonly treeSize: bigint };
  readonly limit: number;
}

/** One page, oldest entry first. */
export interface CompletePage {
  /** Only of a first page: what the map says, and where that is on record. */
  readonly head?: {
    readonly size: bigint;
    readonly count: bigint;
    readonly proof: MapProof;
    readonly recordIndex: bigint;
    /** Transparent Statement; its receipt is for the tree of `treeSize`. */
    readonly record: Uint8Array;
  };
  readonly treeSize: bigint;
  /** Entries of the key before these. */
  readonly position: bigint;
  /** The chain there. */
  readonly before: Hash;
  readonly entries: readonly { readonly record: EntryRecord; readonly path: readonly Hash[] }[];
}

/**
 * Answers what the log holds about a key so that nothing can be left out of the answer unseen: pages of entries from the
 * newest back, chained to what the map under the last recorded root counts.
 */
@Injectable()
export class AnswerCompletely {
  constructor(
    private readonly map: IndexMapReader,
    private readonly log: LogReader,
    private readonly receipts: IssueReceipt,
  ) {}

  async run({ key, size, cursor, limit }: CompleteQuestion): Promise<CompletePage> {
    const place = hashKey(key);
    const view = await this.map.findView(place);
    const recordIndex = view?.state.recordIndex;
    if (!view || recordIndex === undefined || (size !== undefined && view.state.size < size)) throw notIndexed();
    const proof = new IndexMap(view.parts).prove(key);
    // What does not verify here would not anywhere: then it is the stored map that is wrong.
    const { count } = verifyMapProof(key, proof, view.state.root);

    const end = cursor?.position ?? count;
    if (end > count) throw new HttpFault('http/invalid-query', '"before" is beyond the last entry.');
    const treeSize = cursor?.treeSize ?? (await this.log.loadSeal(recordIndex)).size;
    if (treeSize > (await this.log.loadHead()).size)
      throw new HttpFault('http/invalid-query', '"before" is malformed.');
    const position = end > BigInt(limit) ? end - BigInt(limit) : 0n;
    const page = await this.loadEntries(key, view, position, end, count, treeSize);
    if (cursor) return { treeSize, position, ...page };
    const record = await this.loadRecord(recordIndex);
    return { head: { size: view.state.size, count, proof, recordIndex, record }, treeSize, position, ...page };
  }

  private async loadEntries(
    key: IndexKey,
    view: MapView,
    from: bigint,
    to: bigint,
    count: bigint,
    treeSize: bigint,
  ): Promise<Pick<CompletePage, 'before' | 'entries'>> {
    const place = hashKey(key);
    if (from === to) return { before: place, entries: [] };
    const page =
      count === 1n
        ? { position: 0n, before: place, indexes: [firstOf(view, place)] }
        : await this.map.loadPages(place, from, to);
    const records = await this.log.findByIndexes(page.indexes);
    const skipped = Number(from - page.position);
    const before = records
      .slice(0, skipped)
      .reduce((chain, { index, raw, entry }) => hashLink(chain, index, hashLeaf(raw ?? entry)), page.before);
    const shown = records.slice(skipped);
    if (shown.some(({ index }) => index >= treeSize))
      throw new HttpFault('http/invalid-query', '"before" is malformed.');
    const paths = await this.log.inclusionPaths(
      shown.map(({ index }) => index),
      treeSize,
    );
    return { before, entries: shown.map((record, i) => ({ record, path: paths[i] ?? [] })) };
  }

  private async loadRecord(index: bigint): Promise<Uint8Array> {
    const record = await this.log.findByIndex(index);
    if (!record) throw new Error(`The record of the map is not at entry ${index}.`);
    return this.receipts.transparentStatement(record);
  }
}

function firstOf({ parts }: MapView, place: Hash): bigint {
  for (const bucket of parts.buckets.values()) {
    const found = findInBucket(bucket, place);
    if (found) return found.first;
  }
  throw new Error('The map proves a key that is in none of its buckets.');
}

function notIndexed(): LogFault {
  return new LogFault(
    'log/not-indexed',
    'The index does not reach that far yet; it follows the log within a minute or two.',
  );
}
