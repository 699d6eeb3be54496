import { Config, Secrets } from '../../config.ts';
import { DirectoryTileStore } from './directory-tile-store.ts';
import { S3TileStore } from './s3-tile-store.ts';
import type { TileStore } from './tile-store.ts';

/** The tile store that the configuration names, if it names one. */
export function openTileStore({ tileStore }: Config, { s3 }: Secrets): TileStore | undefined {
  switch (tileStore.kind) {
    case 'off':
      return undefined;
    case 'directory':
      return new DirectoryTileStore(tileStore.directory);
    case 's3':
      if (!s3) throw new Error('A bucket was configured without credentials.');
      return new S3TileStore(tileStore, s3);
  }
}
