import { Module, type OnModuleDestroy } from '@nestjs/common';
import { Config, Secrets } from '../../config.ts';
import { HttpModule } from '../../http/http.module.ts';
import { Metrics } from '../../http/metrics.ts';
import { Readiness } from '../../http/readiness.ts';
import { CheckedTiles } from './checked-tiles.ts';
import { ExportEvidence } from './export-evidence.ts';
import { LogModule } from '../log.module.ts';
import { openTileStore } from './open-tile-store.ts';
import { PrunePartialTiles } from './prune-partial-tiles.ts';
import { PublishTiles } from './publish-tiles.ts';
import { ServedLog } from '../served-log.ts';
import { RollbackLatch } from '../rollback/rollback-latch.ts';
import { StoredCheckpoint } from '../witnessing/stored-checkpoint.ts';
import { TileExportStore } from './tile-export.store.ts';
import { TileStore } from './tile-store.ts';

/** The log's files on their way to a directory or a bucket, and what the service concludes from finding them there. */
@Module({
  imports: [HttpModule, LogModule],
  providers: [
    CheckedTiles,
    ExportEvidence,
    PrunePartialTiles,
    PublishTiles,
    StoredCheckpoint,
    TileExportStore,
    { provide: TileStore, useFactory: openTileStore, inject: [Config, Secrets, ServedLog] },
  ],
})
export class TileExportModule implements OnModuleDestroy {
  private readonly forget: (() => void) | undefined;

  constructor(
    config: Config,
    latch: RollbackLatch,
    stored: StoredCheckpoint,
    publish: PublishTiles,
    readiness: Readiness,
    metrics: Metrics,
    { origin }: ServedLog,
  ) {
    if (config.tileStore.kind === 'off') return;
    latch.add(stored);
    if (config.role === 'api') return;
    readiness.add('tile store', () => Promise.resolve(publish.failure));
    const figure = { name: 'tile_store_entries', help: 'Entries under the checkpoint that lies in the tile store.' };
    this.forget = metrics.gaugeOfLog(figure, origin, () => Number(publish.size));
  }

  onModuleDestroy(): void {
    this.forget?.();
  }
}
