import { setImmediate as yieldOnce } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Db } from '../../db/db.ts';
import { LogIdentity } from '../log-identity.ts';
import { BLOCK, encodePlaces, factsOf, type FactId } from './search-facts.ts';
import { SearchReader } from './search.reader.ts';
import { SearchStore, type FactRow } from './search.store.ts';

/** Blocks in a run, so that a worker far behind lets its other work come up. */
const BLOCKS_PER_RUN = 16;
/** Entries worked on before others get their turn: a few milliseconds. */
const TURN = 256;

/**
 * Writes down, for each full block of the log, which of its entries each fact holds for. Each block is one transaction:
 * a crash loses the block under way, and it is made again. Search is right at any time; before this has run it is slower.
 */
@Injectable()
export class IndexForSearch {
  constructor(
    private readonly db: Db,
    private readonly store: SearchStore,
    private readonly reader: SearchReader,
    private readonly identity: LogIdentity,
  ) {}

  /** Cheap enough to be asked every second. */
  async isDue(): Promise<boolean> {
    const { size, blocks } = await this.reader.progress();
    return size >= BigInt(blocks + 1) * BigInt(BLOCK);
  }

  async run(): Promise<void> {
    for (let done = 0; done < BLOCKS_PER_RUN && (await this.isDue()); done += 1) await this.indexNext();
  }

  private async indexNext(): Promise<void> {
    const { logId } = this.identity;
    await this.db.transaction(async (tx) => {
      const block = await this.store.lockProgress(tx, logId);
      const rows = await this.store.facts(tx, logId, BigInt(block) * BigInt(BLOCK), BLOCK);
      // Somebody else has just finished the block that was due.
      if (rows.length < BLOCK) return;
      await this.store.insertBlock(tx, logId, block, await collectSets(rows));
    });
  }
}

async function collectSets(rows: readonly FactRow[]): Promise<Map<FactId, Buffer>> {
  const places = new Map<FactId, number[]>();
  for (const [place, row] of rows.entries()) {
    if (place % TURN === 0) await yieldOnce();
    for (const fact of new Set(factsOf(row, row.mentions))) {
      const known = places.get(fact);
      if (known) known.push(place);
      else places.set(fact, [place]);
    }
  }
  return new Map([...places].map(([fact, list]) => [fact, encodePlaces(list)]));
}
