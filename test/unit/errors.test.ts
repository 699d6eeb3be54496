import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** Every code in the closed unions `…FaultCode` of the sources, with the file that declares it. */
function codesInSources(): Map<string, string> {
  const codes = new Map<string, string>();
  for (const file of sourceFiles()) {
    const source = readFileSync(join(root, file), 'utf8');
    if (!/type \w+FaultCode\b/.test(source)) continue;
    ts.createSourceFile(file, source, ts.ScriptTarget.ES2023).forEachChild((node) => {
      if (!ts.isTypeAliasDeclaration(node) || !node.name.text.endsWith('FaultCode')) return;
      const members = ts.isUnionTypeNode(node.type) ? node.type.types : [node.type];
      for (const member of members) {
        if (ts.isLiteralTypeNode(member) && ts.isStringLiteral(member.literal)) codes.set(member.literal.text, file);
      }
    });
  }
  return codes;
}

function sourceFiles(): string[] {
  return ['libs', 'apps'].flatMap((floor) =>
    readdirSync(join(root, floor))
      .map((name) => `${floor}/${name}/src`)
      .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => `${folder}/${name}`))
      .filter((file) => /(?<!\.test)\.tsx?$/.test(file)),
  );
}

/** The cells of every row of the page. */
function rowsOfPage(): { code: string; happened: string; mend: string }[] {
  const page = readFileSync(join(root, 'docs/errors.md'), 'utf8');
  return [...page.matchAll(/^\| `([^`]+)` *\|(.*)\|(.*)\|$/gm)].map(([, code = '', happened = '', mend = '']) => ({
    code,
    happened: happened.trim(),
    mend: mend.trim(),
  }));
}

describe('docs/errors.md', () => {
  const codes = codesInSources();
  const rows = rowsOfPage();

  it('finds the unions at all', () => {
    expect(codes.size).toBeGreaterThan(150);
    expect([...codes.keys()].filter((code) => !/^[a-z0-9]+\/[a-z0-9-]+$/.test(code))).toEqual([]);
  });

  it('has a row for every code', () => {
    const documented = new Set(rows.map(({ code }) => code));
    expect([...codes].filter(([code]) => !documented.has(code))).toEqual([]);
  });

  it('has no row without a code, and none twice', () => {
    expect(rows.map(({ code }) => code).filter((code) => !codes.has(code))).toEqual([]);
    expect(rows.map(({ code }) => code).filter((code, i, all) => all.indexOf(code) !== i)).toEqual([]);
  });

  it('says for each what happened and who mends it', () => {
    expect(rows.filter(({ happened, mend }) => happened.length < 10 || mend.length < 3)).toEqual([]);
  });
});
