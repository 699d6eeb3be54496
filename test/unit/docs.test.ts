import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readDocCommands } from '../e2e/doc-commands.ts';

const root = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Every document that strangers read: the README, docs/, and the README of each part. */
const DOCUMENTS = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true })
    .map((name) => `docs/${name.toString()}`)
    .filter((path) => path.endsWith('.md')),
  ...['libs', 'apps'].flatMap((floor) =>
    readdirSync(join(root, floor))
      .map((name) => `${floor}/${name}/README.md`)
      .filter((path) => existsSync(join(root, path))),
  ),
];

describe.each(DOCUMENTS)('%s', (path) => {
  const text = read(path);
  const prose = text.replace(/^```[\s\S]*?^```/gm, '');

  it('links only to files and headings that exist', () => {
    const links = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links.filter((link) => !/^[a-z]+:/.test(link) && !leadsSomewhere(path, link));
    expect(broken).toEqual([]);
  });

  it('has one title, first of all', () => {
    expect(text).toMatch(/^# \S/);
    expect(prose.match(/^# /gm)).toHaveLength(1);
  });

  it('names no file of this repository that is not there', () => {
    const named = [...prose.matchAll(/`((?:apps|libs|docs|migrations|scripts|test)\/[\w./-]*\w)`/g)].map(
      ([, name = '']) => name,
    );
    // `dist` is what a build makes.
    expect(named.filter((name) => !/\/dist\b/.test(name) && !existsSync(join(root, name)))).toEqual([]);
  });
});

function leadsSomewhere(from: string, link: string): boolean {
  const [target = '', heading] = link.split('#');
  const path = target === '' ? from : relative(root, join(root, dirname(from), target));
  if (path.startsWith('..') || !existsSync(join(root, path))) return false;
  return heading === undefined || headingsOf(read(path)).includes(heading);
}

/** Anchors as GitHub makes them. */
function headingsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

describe('README.md', () => {
  const readme = read('README.md');
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };

  it('knows every npm command it names', () => {
    const named = [...readme.matchAll(/npm (?:run )?([a-z]+)/g)].map(([, name = '']) => name);
    expect(named).toContain('start');
    expect(named).toContain('test');
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it('maps every room of the house', () => {
    const rooms = ['libs', 'apps'].flatMap((floor) => readdirSync(join(root, floor)).map((name) => `${floor}/${name}`));
    expect(rooms.filter((room) => !readme.includes(`${room}/`) && !readme.includes(`](${room}`))).toEqual([]);
  });
});

describe('docs/operations/configuration.md', () => {
  const page = read('docs/operations/configuration.md');
  const source = read('apps/registry/src/config.ts');
  const variables = new Set([...source.matchAll(/\(env, '([A-Z_]+)'/g)].map(([, name = '']) => name));
  const documented = [...page.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name = '']) => name);

  it('describes every variable that the service reads, once', () => {
    expect(variables.size).toBeGreaterThan(10);
    expect([...variables].filter((name) => !documented.includes(name))).toEqual([]);
    expect(documented.filter((name, i, all) => all.indexOf(name) !== i)).toEqual([]);
  });

  it('describes no other', () => {
    expect(documented.filter((name) => !variables.has(name))).toEqual([]);
    const inReadme = [...read('README.md').matchAll(/^\| `([A-Z_]+)`/gm)].map(([, name = '']) => name);
    expect(inReadme.filter((name) => !variables.has(name))).toEqual([]);
  });
});

describe('docs/getting-started.md', () => {
  const commands = readDocCommands(read('docs/getting-started.md')).map(({ text }) => text);

  it('comes from nothing to a verified application in at most eight commands', () => {
    expect(commands[0]).toBe('npm start');
    const verified = commands.findIndex((text) => text.includes('margo-trust verify'));
    expect(verified).toBeGreaterThan(0);
    expect(verified + 1).toBeLessThanOrEqual(8);
  });

  it('needs nothing but npm and our own command line', () => {
    expect(commands.filter((text) => !/^(npm start$|npx margo-trust )/.test(text))).toEqual([]);
  });
});

describe('readDocCommands', () => {
  it('takes the lines of sh blocks, and nothing else', () => {
    const markdown = [
      'Text `a` and',
      '```sh',
      '# a comment',
      'one --x 1',
      '',
      'two \\',
      '  --y 2 \\',
      '  --z 3',
      '```',
      '```text',
      'what it prints',
      '```',
      '```sh',
      'three',
      '```',
    ].join('\n');
    expect(readDocCommands(markdown)).toEqual([
      { text: 'one --x 1', line: 4 },
      { text: 'two --y 2 --z 3', line: 6 },
      { text: 'three', line: 14 },
    ]);
  });

  it('refuses a command without an end', () => {
    expect(() => readDocCommands('```sh\none \\\n```')).toThrow('line 2');
  });
});
