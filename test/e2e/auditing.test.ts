import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, repository, startService, type Service } from '../service.ts';
import { readDocCommands } from './doc-commands.ts';

const run = promisify(execFile);
const commands = readDocCommands(await readFile(join(repository, 'docs/auditing.md'), 'utf8'));

describe('docs/auditing.md', () => {
  let directory: string;
  let service: Service;
  let environment: NodeJS.ProcessEnv;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-auditing-'));
    service = await startService({ dataDir: join(directory, '.data') });
    environment = {
      ...cleanEnvironment(),
      PATH: `${join(repository, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
    };
  });
  afterAll(async () => {
    await service?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** As a reader would paste it, in a directory of its own; only the address is this test's. */
  const paste = (text: string, env: NodeJS.ProcessEnv = {}) =>
    run('sh', ['-c', text.replaceAll('npx margo-trust', 'margo-trust')], {
      cwd: directory,
      env: { ...environment, ...env },
    });

  it('names every command of the auditor', () => {
    for (const name of ['fsck', 'replay', 'mirror', 'prove', 'follow', 'monitor']) {
      expect(commands.some(({ text }) => text.startsWith(`npx margo-trust log ${name}`))).toBe(true);
    }
  });

  it.each(commands)('line $line: $text', async ({ text }) => {
    const exported = /^export (\w+)=/.exec(text);
    if (exported?.[1] !== undefined) environment[exported[1]] = service.url;
    else expect((await paste(text)).stdout).not.toBe('');
  });

  it('rebuilds the log into a new database, with the same state hash', async () => {
    const state = async (command: string, dataDir: string) => {
      const { stdout } = await paste(`margo-trust log ${command} --json`, { DATA_DIR: dataDir });
      return (JSON.parse(stdout) as { state: { stateHash: string; logs: { size: string }[] } }).state;
    };
    await paste('margo-trust log mirror rebuilt-from --all');
    const rebuilt = await state('rebuild --from rebuilt-from', join(directory, 'rebuilt'));
    expect(await state('state-hash', join(directory, 'rebuilt'))).toEqual(rebuilt);
  });
});
