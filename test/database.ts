import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { inject } from 'vitest';
import { openDatabase, type DatabaseAddress } from '../apps/registry/src/db/data-source.ts';

/** The cluster that tests run on: the embedded one, or the server of `MARGO_TEST_DATABASE_URL`. */
export type TestCluster = { socketDirectory: string; user: string } | { url: string };

/** Where a database of the cluster is. */
export function databaseOf(cluster: TestCluster, database: string): DatabaseAddress {
  if (!('url' in cluster)) return { ...cluster, database };
  const url = new URL(cluster.url);
  url.pathname = `/${database}`;
  return { url: url.href };
}

export async function connectTo(address: DatabaseAddress): Promise<Client> {
  const client =
    'url' in address
      ? new Client({ connectionString: address.url })
      : new Client({ host: address.socketDirectory, user: address.user, database: address.database });
  await client.connect();
  return client;
}

/** A migrated database for one test file. Destroy the data source when done; the database goes at the end of the run. */
export async function openTestDatabase(): Promise<DataSource> {
  const { cluster, template } = inject('postgres');
  const database = `${template}_${randomBytes(6).toString('hex')}`;
  const admin = await connectTo(databaseOf(cluster, 'postgres'));
  await admin.query(`CREATE DATABASE ${database} TEMPLATE ${template} STRATEGY FILE_COPY`);
  await admin.end();
  return openDatabase(databaseOf(cluster, database));
}
