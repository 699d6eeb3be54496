import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { inject } from 'vitest';
import { openDatabase } from '../apps/registry/src/db/data-source.ts';

/** A migrated database for one test file. Destroy the data source when done; the database goes with the cluster. */
export async function openTestDatabase(): Promise<DataSource> {
  const socketDirectory = inject('postgresSocket');
  const database = `t_${randomBytes(6).toString('hex')}`;
  const admin = new Client({ host: socketDirectory, user: 'margo', database: 'postgres' });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${database} TEMPLATE template_registry STRATEGY FILE_COPY`);
  await admin.end();
  return openDatabase({ socketDirectory, user: 'margo', database });
}
