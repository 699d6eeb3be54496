import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, repository, startService, type Service } from '../service.ts';
import { readDocCommands } from './doc-commands.ts';

const run = promisify(execFile);
const [start, ...commands] = readDocCommands(await readFile(join(repository, 'docs/getting-started.md'), 'utf8'));

describe('docs/getting-started.md', () => {
  let directory: string;
  let service: Service;

  /** As a reader would paste it, in a directory of its own; only the address is this test's. */
  const paste = async (text: string) => {
    const env = {
      ...cleanEnvironment(),
      PATH: `${join(repository, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
    };
    const command = text.replaceAll('npx margo-trust', 'margo-trust').replaceAll('http://localhost:8080', service.url);
    return run('sh', ['-c', command], { cwd: directory, env });
  };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-getting-started-'));
    service = await startService({ dataDir: join(directory, '.data') });
  });
  afterAll(async () => {
    await service?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it('begins with npm start, and has a verified application in at most eight commands', () => {
    expect(start?.text).toBe('npm start');
    const verified = commands.findIndex(({ text }) => text.startsWith('npx margo-trust verify'));
    expect(verified).toBeGreaterThan(0);
    expect(verified + 2).toBeLessThanOrEqual(8);
  });

  it.each(commands)('line $line: $text', async ({ text }) => {
    const { stdout } = await paste(text);
    if (/ (bundle )?verify /.test(text)) expect(stdout).toMatch(/^trusted: /);
  });
});
