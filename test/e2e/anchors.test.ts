import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from '../service.ts';
import { readDocCommands } from './doc-commands.ts';
import { useDrill } from './drill.ts';

const commands = readDocCommands(await readFile(join(repository, 'docs/anchors.md'), 'utf8'));

describe('docs/anchors.md', () => {
  const drill = useDrill();
  let verified = 0;

  it.each(commands)('line $line: $text', async ({ text }) => {
    const stdout = await drill(text);
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
