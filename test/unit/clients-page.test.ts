import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLIENTS, versions } from '../interop/clients.mjs';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** The cells of every table of the page, by the heading above it. */
function tablesOfPage(): Map<string, string[][]> {
  const tables = new Map<string, string[][]>();
  let heading = '';
  for (const line of read('docs/conformance/clients.md').split('\n')) {
    heading = /^## (.+)$/.exec(line)?.[1] ?? heading;
    if (!line.startsWith('| ')) continue;
    const cells = line.slice(2, -2).split(' | ');
    tables.set(heading, [...(tables.get(heading) ?? []), cells.map((cell) => cell.trim().replaceAll('\\|', '|'))]);
  }
  return new Map([...tables].map(([name, [, , ...rows]]) => [name, rows]));
}

/** Every literal of a suite that may be the title of a test, as a pattern of what Vitest makes of it. */
function titlesOf(suite: string): RegExp[] {
  const literals = read(`test/interop/${suite}`).matchAll(/'((?:[^'\\\n]|\\.)+)'|"([^"\n]+)"/g);
  return [...literals].map(([, single, double]) => {
    const text = (single ?? double ?? '').replaceAll("\\'", "'");
    const parts = text.split(/%[sdj]|\$[\w.]+/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`(?:^|: )${parts.join('.+')}$`);
  });
}

/** It takes all clients and some minutes to make the page (`npm run interop -- -u`). This is what can be told without. */
describe('docs/conformance/clients.md', () => {
  const { '': summary = [], ...clients } = Object.fromEntries(tablesOfPage());

  it('has every client that is built for these tests, in the version that is built', () => {
    const known = versions();
    const shown = new Map(summary.map(([name = '', version = '']) => [/^\[(.+)\]/.exec(name)?.[1], version]));
    for (const { name } of CLIENTS) expect(shown.get(name), name).toBe(known[name]);
    expect([...shown.keys()].sort()).toEqual(Object.keys(clients).sort());
  });

  it('names suites and tests that there are', () => {
    const suites = readdirSync(join(root, 'test/interop'));
    const rows = Object.values(clients).flat();
    expect(rows.length).toBeGreaterThan(80);
    for (const [suite = '', says = ''] of rows) {
      const name = suite.replaceAll('`', '');
      expect(suites).toContain(name);
      expect(
        titlesOf(name).some((title) => title.test(says)),
        `${name}: ${says}`,
      ).toBe(true);
    }
  });

  it('counts what it lists', () => {
    for (const [name = '', , ...counts] of summary) {
      const rows = clients[/^\[(.+)\]/.exec(name)?.[1] ?? ''] ?? [];
      const seen = (verdict: string) => rows.filter(([, , cell = '']) => cell.split(', ').includes(verdict)).length;
      expect(counts.map(Number), name).toEqual([rows.length, seen('accepted'), seen('refused')]);
    }
  });
});
