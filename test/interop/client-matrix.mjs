/**
 * Makes `docs/conformance/clients.md` of what the suites saw (`seen.ts`), when all tests ran and passed: written by
 * `npm run interop -- -u`, compared otherwise.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { versions } from './clients.mjs';

const here = import.meta.dirname;
const page = join(here, '../../docs/conformance/clients.md');

export default class ClientMatrix {
  async onTestRunEnd(modules, _errors, reason) {
    const suites = readdirSync(here).filter((name) => name.endsWith('.test.ts'));
    const ran = new Set(modules.map(({ moduleId }) => basename(moduleId)));
    if (reason !== 'passed' || !suites.every((name) => ran.has(name))) return;
    // Some machines forbid what a test needs, and it says so.
    if (modules.some((module) => !module.children.allTests('skipped').next().done)) return;

    const style = { ...(await resolveConfig(page)), filepath: page };
    const made = await format(encodePage(collect(modules), versions()), style);
    if (process.argv.includes('-u')) {
      writeFileSync(page, made);
    } else if (withoutVersions(readFileSync(page, 'utf8')) !== withoutVersions(made)) {
      console.error('docs/conformance/clients.md is not what was seen: npm run interop -- -u writes it.');
      process.exitCode = 1;
    }
  }
}

/** By client: what each test that it took part in says, and what the client did. */
function collect(modules) {
  const rows = new Map();
  for (const module of modules) {
    const suite = basename(module.moduleId);
    for (const test of module.children.allTests('passed')) {
      for (const [client, verdicts] of Object.entries(test.meta().seen ?? {})) {
        const seen = verdicts.length > 1 ? verdicts.filter((verdict) => verdict !== 'ran') : verdicts;
        rows.set(client, [...(rows.get(client) ?? []), { suite, says: test.fullName.replaceAll(' > ', ': '), seen }]);
      }
    }
  }
  return [...rows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([client, found]) => [client, found.sort((a, b) => compare(a.suite, b.suite) || compare(a.says, b.says))]);
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function encodePage(clients, known) {
  const count = (rows, verdict) => rows.filter(({ seen }) => seen.includes(verdict)).length;
  const summary = clients.map(([client, rows]) => [
    `[${client}](#${anchor(client)})`,
    known[client] ?? '',
    ...[rows.length, count(rows, 'accepted'), count(rows, 'refused')].map(String),
  ]);
  const parts = clients.map(([client, rows]) => {
    const table = rows.map(({ suite, says, seen }) => [`\`${suite}\``, says, seen.join(', ')]);
    return `## ${client}\n\n${encodeTable(['suite', 'test', 'seen'], table)}`;
  });
  return `# Clients

What unmodified clients were seen to accept and to refuse, test by test: [test/interop](../../test/interop/README.md) has the tests and says what the clients are. A test
may do both, as when it spoils afterwards what was accepted before; _ran_ is what is neither a yes nor a no.

Written by \`npm run interop -- -u\`; \`npm run interop\` compares.

${encodeTable(['client', 'version', 'tests', 'accepted in', 'refused in'], summary)}
${parts.join('\n')}`;
}

function encodeTable(head, rows) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`;
  return [head, head.map(() => '---'), ...rows].map(line).join('');
}

/** As GitHub makes them. */
function anchor(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

/** Clients that the system brings have other versions elsewhere. */
function withoutVersions(text) {
  return text
    .replace(/[^|]*(\(Debian\)|of the system)[^|]*/g, '')
    .replace(/ +/g, ' ')
    .replace(/-+/g, '-');
}
