import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '../apps/registry/src/db/data-source.ts';
import { startEmbeddedPostgres } from '../apps/registry/src/db/embedded-postgres.ts';
import { connectTo, databaseOf, type TestCluster } from './database.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The tests' cluster. Each file copies the database `template` (test/database.ts), under a name that begins alike. */
    postgres: { cluster: TestCluster; template: string };
  }
}

/**
 * One cluster for the whole run, and one migrated database that every test file copies. `MARGO_TEST_DATABASE_URL` names a superuser of
 * a server outside to run on instead; its databases of this run are dropped at the end.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { cluster, stop } = await findCluster();
  const template = `margo_test_${randomBytes(4).toString('hex')}`;
  const admin = await connectTo(databaseOf(cluster, 'postgres'));
  await admin.query(`CREATE DATABASE ${template}`);
  await admin.end();
  const source = await openDatabase(databaseOf(cluster, template));
  await source.destroy();

  project.provide('postgres', { cluster, template });
  return () => stop(template);
}

async function findCluster(): Promise<{ cluster: TestCluster; stop: (template: string) => Promise<void> }> {
  const url = process.env['MARGO_TEST_DATABASE_URL'];
  if (url) return { cluster: { url }, stop: (template) => dropDatabases({ url }, template) };
  const stateDirectory = mkdtempSync(join(tmpdir(), 'margo-test-'));
  const postgres = await startEmbeddedPostgres({ stateDirectory, isDurable: false, onLost: () => undefined });
  const { socketDirectory, user } = postgres;
  const stop = async () => {
    await postgres.stop();
    rmSync(stateDirectory, { recursive: true, force: true });
  };
  return { cluster: { socketDirectory, user }, stop };
}

async function dropDatabases(cluster: TestCluster, template: string): Promise<void> {
  const admin = await connectTo(databaseOf(cluster, 'postgres'));
  const { rows } = await admin.query<{ datname: string }>(
    'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
    [template],
  );
  for (const { datname } of rows) await admin.query(`DROP DATABASE ${datname} WITH (FORCE)`);
  await admin.end();
}
