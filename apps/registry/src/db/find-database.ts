import type { Config, Secrets } from '../config.ts';
import type { DatabaseAddress } from './data-source.ts';
import { startEmbeddedPostgres } from './embedded-postgres.ts';

/** The operator's database, or the embedded one, which is started; `closers` gets what stops it again. */
export async function findDatabase(
  config: Config,
  { databaseUrl }: Secrets,
  closers: (() => Promise<unknown> | void)[],
  onLost: (why: string) => void,
): Promise<DatabaseAddress> {
  if (databaseUrl !== undefined) return { url: databaseUrl };
  const postgres = await startEmbeddedPostgres({
    stateDirectory: config.dataDirectory,
    onLost: () => onLost('The embedded database has died. Start again: what was acknowledged is on disk.'),
  });
  closers.push(() => postgres.stop());
  return postgres;
}
