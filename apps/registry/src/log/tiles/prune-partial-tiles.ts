import { Inject, Injectable } from '@nestjs/common';
import { evidencePath } from '@margo-trust/auditor';
import { bundlePath, fullTilesAdded, tilePath } from '@margo-trust/tlog';
import { Clock } from '../../clock.ts';
import { Db } from '../../db/db.ts';
import { TileStore } from './tile-store.ts';
import { TileExportStore } from './tile-export.store.ts';

/** How long a partial tile stays when its full one is there: a reader of the old checkpoint may be on its way. */
const KEEP_MS = 600_000;
/** Leaves whose partial tiles are removed in one go. */
const STEP = 16_384n;

/**
 * Removes partial bundles and tiles from the tile store once the full one has been there for ten minutes, as C2SP
 * tlog-tiles allows: a slow log publishes up to 255 of them for each full one.
 */
@Injectable()
export class PrunePartialTiles {
  constructor(
    @Inject(TileStore) private readonly store: TileStore | undefined,
    private readonly exports: TileExportStore,
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  async isDue(): Promise<boolean> {
    if (!this.store) return false;
    const { prunedAt } = await this.exports.load(this.store.name);
    return !prunedAt || this.clock.now().getTime() - prunedAt.getTime() >= KEEP_MS;
  }

  async run(): Promise<void> {
    const { store } = this;
    if (!store || !(await this.isDue())) return;
    const { pruned, settled, size } = await this.exports.load(store.name);
    const to = pruned + STEP < settled ? pruned + STEP : settled;
    for (const ref of fullTilesAdded(pruned, to)) {
      const path = 'bundle' in ref ? bundlePath(ref.index, ref.width) : tilePath(ref);
      if (!(await store.read(path)))
        throw new Error(`${path} is missing in the tile store: no partial one is removed.`);
      await store.removeFolder(`${path}.p`);
      if ('bundle' in ref) await store.removeFolder(`${evidencePath(ref.index, 256)}.p`);
    }
    // A crash here has the same folders looked for again.
    const rest = to < settled ? {} : { settled: size, prunedAt: this.clock.now() };
    await this.db.transaction((tx) => this.exports.advance(tx, store.name, { pruned: to, ...rest }));
  }
}
