import { Injectable } from '@nestjs/common';
import type { Hash } from '@margo-trust/merkle';
import { LogReader } from '../log.reader.ts';
import { PublishedCheckpoint } from '../witnessing/published-checkpoint.ts';
import { type EntryFilter, type EntryPage, SearchReader } from './search.reader.ts';

export interface FoundEntries extends EntryPage {
  /** One for each record, in that order; none for a record that is newer than the checkpoint. */
  readonly paths?: readonly (readonly Hash[] | undefined)[];
  /** The signed note that the paths lead to. */
  readonly checkpoint?: Uint8Array;
}

/** Answers a search, on demand with the proof of each hit. All proofs are for one tree: one signature, and shared tiles. */
@Injectable()
export class FindEntries {
  constructor(
    private readonly search: SearchReader,
    private readonly reader: LogReader,
    private readonly published: PublishedCheckpoint,
  ) {}

  async run({ proof, ...filter }: EntryFilter & { proof: boolean }): Promise<FoundEntries> {
    const page = await this.search.search(filter);
    if (!proof) return page;
    const { size, note } = await this.published.load();
    const covered = page.records.map(({ index }) => index).filter((index) => index < size);
    const paths = new Map((await this.reader.inclusionPaths(covered, size)).map((path, i) => [covered[i], path]));
    return { ...page, checkpoint: note, paths: page.records.map(({ index }) => paths.get(index)) };
  }
}
