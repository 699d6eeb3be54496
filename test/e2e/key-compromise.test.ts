import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repository } from '../service.ts';
import { readDocCommands } from './doc-commands.ts';
import { useDrill } from './drill.ts';

const commands = readDocCommands(await readFile(join(repository, 'docs/operations/key-compromise.md'), 'utf8'));
/** What each verification of the drill comes to, in order. */
const VERDICTS = [/^trusted: good/, /^trusted: forged/, /^trusted: good/, /^refused: forged/, /^trusted: forged/];

describe('docs/operations/key-compromise.md', () => {
  const drill = useDrill();
  const verdicts = [...VERDICTS];

  it.each(commands)('line $line: $text', async ({ text }) => {
    const stdout = await drill(text);
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
