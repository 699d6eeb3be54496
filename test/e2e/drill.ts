import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll } from 'vitest';
import { cleanEnvironment, repository, startService, type Service } from '../service.ts';

const run = promisify(execFile);

/**
 * A service with its story played, for the tests of the suite that calls this, and a directory of its own in which commands of a page run
 * as they stand. Returns what runs one: it answers with what the command prints, and throws when it fails.
 */
export function useDrill(): (command: string) => Promise<string> {
  let directory: string;
  let service: Service;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-drill-'));
    service = await startService({ dataDir: join(directory, '.data') });
  });
  afterAll(async () => {
    await service?.stop();
    await rm(directory, { recursive: true, force: true });
  });
  return async (command) => {
    const path = `${join(repository, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`;
    const env = { ...cleanEnvironment(), PATH: path, HOME: directory };
    const line = command.replaceAll('npx margo-trust', 'margo-trust').replaceAll('http://localhost:8080', service.url);
    const { stdout } = await run('sh', ['-c', line], { cwd: directory, env });
    return stdout;
  };
}
