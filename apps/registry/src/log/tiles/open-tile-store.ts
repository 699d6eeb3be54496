import { join } from 'node:path';
import { Config, Secrets } from '../../config.ts';
import type { ServedLog } from '../served-log.ts';
import { DirectoryTileStore } from './directory-tile-store.ts';
import { S3TileStore } from './s3-tile-store.ts';
import type { TileStore } from './tile-store.ts';

/** The place for this log's files in the tile store that the configuration names, if it names one: below `logs/<name>` but for the first. */
export function openTileStore(
  { tileStore }: Config,
  { s3 }: Secrets,
  { name }: Pick<ServedLog, 'name'>,
): TileStore | undefined {
  switch (tileStore.kind) {
    case 'off':
      return undefined;
    case 'directory':
      return new DirectoryTileStore(name === undefined ? tileStore.directory : join(tileStore.directory, 'logs', name));
    case 's3':
      if (!s3) throw new Error('A bucket was configured without credentials.');
      return new S3TileStore(
        name === undefined ? tileStore : { ...tileStore, prefix: `${tileStore.prefix}logs/${name}/` },
        s3,
      );
  }
}
