import { MIGRATIONS } from '@margo-trust/migrations';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { StartError } from '../start-error.ts';
import { ROWS } from './rows.ts';

/** Where PostgreSQL is: a URL of the operator, or the socket directory of the embedded one. */
export type DatabaseAddress = { url: string } | { socketDirectory: string; user: string; database: string };

/** The schema is made by hand-written migrations only: TypeORM neither synchronizes nor installs extensions. */
export function dataSourceOptions(address: DatabaseAddress): DataSourceOptions {
  const where =
    'url' in address
      ? { url: address.url }
      : { host: address.socketDirectory, username: address.user, database: address.database };
  return {
    type: 'postgres',
    ...where,
    entities: [...ROWS],
    migrations: [...MIGRATIONS],
    migrationsTransactionMode: 'each',
    synchronize: false,
    installExtensions: false,
    applicationName: 'margo-trust-registry',
    extra: { max: 20 },
  };
}

/**
 * Connects, refuses a server older than PostgreSQL 15, and brings the schema up to date.
 * Several replicas may start at once: the first one migrates, the others wait for it.
 */
export async function openDatabase(address: DatabaseAddress): Promise<DataSource> {
  const source = new DataSource(dataSourceOptions(address));
  try {
    await source.initialize();
  } catch (cause) {
    if (!('url' in address)) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause); // names host and user, never the password
    throw new StartError(
      `The database of DATABASE_URL lets nobody in: ${reason}. Check the address and the password.`,
      {
        cause,
      },
    );
  }
  try {
    await refuseOldServer(source);
    await migrate(source);
  } catch (error) {
    await source.destroy();
    throw error;
  }
  return source;
}

async function refuseOldServer(source: DataSource): Promise<void> {
  const [row] = await source.query<{ version: string }[]>(`SELECT current_setting('server_version_num') AS version`);
  if (Number(row?.version) < 150_000) {
    throw new StartError(`PostgreSQL 15 or newer is needed; the server of DATABASE_URL has ${row?.version}.`);
  }
}

async function migrate(source: DataSource): Promise<void> {
  const runner = source.createQueryRunner();
  await runner.connect();
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await source.runMigrations();
  } finally {
    await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    await runner.release();
  }
}

const MIGRATION_LOCK = 0x6d696772; // "migr"
