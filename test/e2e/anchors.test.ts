import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, repository, startService, type Service } from '../service.ts';
import { readDocCommands } from './doc-commands.ts';

const run = promisify(execFile);
const commands = readDocCommands(await readFile(join(repository, 'docs/anchors.md'), 'utf8'));

describe('docs/anchors.md', () => {
  let directory: string;
  let service: Service;
  let verified = 0;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-anchors-'));
    service = await startService({ dataDir: join(directory, '.data') });
  });
  afterAll(async () => {
    await service?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  it.each(commands)('line $line: $text', async ({ text }) => {
    const env = {
      ...cleanEnvironment(),
      PATH: `${join(repository, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
    };
    const command = text.replaceAll('npx margo-trust', 'margo-trust').replaceAll('http://localhost:8080', service.url);
    const { stdout } = await run('sh', ['-c', command], { cwd: directory, env });
    if (text.includes('--preview')) expect(stdout).toContain('Nothing speaks against it.');
    if (text.includes('--as bob')) expect(stdout).toMatch(/state +registered/);
    if (text.includes('anchor withdraw')) expect(stdout).toMatch(/state +withdrawn/);
    if (!/(?:margo-trust|bundle) verify /.test(text)) return;
    expect(stdout).toMatch(/^trusted: /);
    verified += 1;
  });

  it('verifies before the end and after it', () => {
    expect(verified).toBe(3);
  });
});
