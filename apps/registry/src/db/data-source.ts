import { MIGRATIONS } from '@margo-trust/migrations';
import { Client, type Pool } from 'pg';
import { DataSource, type DataSourceOptions } from 'typeorm';
import { StartError } from '../start-error.ts';
import { explainRefusal, explainUnreachable } from './database-refusal.ts';
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
    extra: {
      max: 20,
      // What a transaction asks without waiting in between is on its way at once; the answers come in the same order.
      pipeline: true,
      // A server whose machine has vanished says no goodbye. Asked after ten silent seconds, given up ten seconds later.
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      connectionTimeoutMillis: 10_000,
      // Whoever stands still inside a transaction loses it: others may wait for its locks. Sealing allows itself less.
      idle_in_transaction_session_timeout: 60_000,
    },
  };
}

/**
 * Connects, refuses a server older than PostgreSQL 15, and brings the schema up to date.
 * Several replicas may start at once: the first one migrates, the others wait for it.
 * Throws StartError for what is wrong with a database that the operator named.
 */
export async function openDatabase(address: DatabaseAddress): Promise<DataSource> {
  if ('url' in address) await refuseUnfit(address.url);
  const source = new DataSource(dataSourceOptions(address));
  await source.initialize();
  survivePartings(source);
  try {
    await migrate(source);
  } catch (error) {
    await source.destroy();
    throw ('url' in address ? explainRefusal(error) : undefined) ?? error;
  }
  return source;
}

/**
 * A server that ends may say so in the same breath in which it greets: before whoever asked for the connection has been given
 * it, and listens for errors. Nobody would, and Node.js ends a process whose errors nobody hears. The query after finds out.
 */
function survivePartings(source: DataSource): void {
  const { master: pool } = source.driver as unknown as { master: Pool };
  pool.on('connect', (client) => client.on('error', () => undefined));
}

/** One connection of its own, because the pool would wait without end for a server that does not answer. */
async function refuseUnfit(url: string): Promise<void> {
  let version: string;
  try {
    const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    await client.end();
    version = rows[0]?.server_version ?? '';
  } catch (cause) {
    throw explainUnreachable(cause);
  }
  if (Number.parseInt(version, 10) >= 15) return;
  throw new StartError(`PostgreSQL 15 or newer is needed; the server of DATABASE_URL has ${version}.`);
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
