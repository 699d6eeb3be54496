import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, repository, startService, type Service } from '../service.ts';
import { readDocCommands } from './doc-commands.ts';

const run = promisify(execFile);
const commands = readDocCommands(await readFile(join(repository, 'docs/operations/key-compromise.md'), 'utf8'));
/** What each verification of the drill comes to, in order. */
const VERDICTS = [/^trusted: good/, /^trusted: forged/, /^trusted: good/, /^refused: forged/, /^trusted: forged/];

describe('docs/operations/key-compromise.md', () => {
  let directory: string;
  let service: Service;
  const verdicts = [...VERDICTS];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-drill-'));
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
    if (/margo-trust verify /.test(text)) expect(stdout).toMatch(verdicts.shift()!);
    if (text.includes('--preview')) {
      const count = (name: string) => Number(new RegExp(`${name} +(\\d+)`).exec(stdout)?.[1]);
      // The same artifacts were signed before the leak and after it.
      expect(count('stop verifying')).toBe(count('keep verifying'));
      expect(count('stop verifying')).toBeGreaterThan(0);
    }
  });

  it('comes to all its verdicts', () => {
    expect(verdicts).toEqual([]);
  });
});
