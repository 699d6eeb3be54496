import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import type { TestProject } from 'vitest/node';
import { openDatabase } from '../apps/registry/src/db/data-source.ts';
import { startEmbeddedPostgres } from '../apps/registry/src/db/embedded-postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the tests' cluster listens. Each file copies `template_registry` (test/database.ts). */
    postgresSocket: string;
  }
}

/** One cluster for the whole run, and one migrated database that every test file copies. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'margo-test-'));
  const postgres = await startEmbeddedPostgres({ stateDirectory, isDurable: false, onLost: () => undefined });
  const { socketDirectory, user } = postgres;

  const admin = new Client({ host: socketDirectory, user, database: 'postgres' });
  await admin.connect();
  await admin.query('CREATE DATABASE template_registry');
  await admin.end();
  const source = await openDatabase({ socketDirectory, user, database: 'template_registry' });
  await source.destroy();

  project.provide('postgresSocket', socketDirectory);
  return async () => {
    await postgres.stop();
    rmSync(stateDirectory, { recursive: true, force: true });
  };
}
