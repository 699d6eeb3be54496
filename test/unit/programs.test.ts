import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/**
 * Benches and chaos run what is built, and no compiler reads them. A build leaves files of moved sources behind, so only another
 * machine would notice.
 */
describe('programs that import what is built', () => {
  const imports = ['test', 'scripts'].flatMap((folder) =>
    [...programsBelow(join(root, folder))].flatMap(importsOfBuilt),
  );

  it('name files that have a source', () => {
    expect(imports.length).toBeGreaterThan(20);
    expect(
      imports.filter(({ source }) => !existsSync(source)).map(({ program, source }) => `${program}: ${source}`),
    ).toEqual([]);
  });
});

function* programsBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && entry.name.endsWith('.mjs')) yield join(entry.parentPath, entry.name);
  }
}

function importsOfBuilt(program: string): { program: string; source: string }[] {
  const found = readFileSync(program, 'utf8').matchAll(/(?:from |import\(|import )'(\.[^']*\/dist\/[^']*\.js)'/g);
  return [...found].map(([, path = '']) => ({
    program: relative(root, program),
    source: join(dirname(program), path).replace('/dist/', '/src/').replace(/\.js$/, '.ts'),
  }));
}
