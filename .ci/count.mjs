/**
 * Adds up the Vitest JSON reports of a directory. The last line is `<passed> passed, <failed> failed`; above it stand the
 * tests that did not run, each with its reason, and the ones that passed at the second attempt only or failed, each with the
 * first lines of its errors, so that the end of a long log says what is wrong.
 * Exits 1 when a test failed or none ran: a suite that never started must not pass for a green one.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const ERROR_LINES = 6;
const root = join(import.meta.dirname, '..');

const directory = process.argv[2];
const names = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.json')) : [];
const reports = names.map((name) => JSON.parse(readFileSync(join(directory, name), 'utf8')));

let passed = 0;
const skipped = [];
const unsteady = [];
const failed = [];
for (const { name, message, status, assertionResults } of reports.flatMap((report) => report.testResults)) {
  const file = relative(root, name);
  for (const test of assertionResults) {
    const what = `${file} > ${[...test.ancestorTitles, test.title].filter(Boolean).join(' > ')}`;
    if (test.status === 'passed') {
      passed += 1;
      if (test.failureMessages.length > 0) unsteady.push([what, ...test.failureMessages]);
    } else if (test.status === 'failed') failed.push([what, ...test.failureMessages]);
    else skipped.push(`${what}: ${test.meta?.skippedBecause ?? 'no reason given'}`);
  }
  // A file that cannot be loaded, or whose hooks throw, fails without a failing test of its own.
  if (status === 'failed' && assertionResults.every((test) => test.status !== 'failed')) failed.push([file, message]);
}

for (const one of skipped) console.log(`skipped  ${one}`);
for (const one of unsteady) print('unsteady', one);
for (const one of failed) print('FAILED  ', one);
console.log(`${passed} passed, ${failed.length} failed${skipped.length > 0 ? `, ${skipped.length} skipped` : ''}`);
process.exitCode = passed > 0 && failed.length === 0 ? 0 : 1;

function print(verdict, [what, ...errors]) {
  console.log(`${verdict} ${what}`);
  for (const error of errors) console.log(indent(firstLines(error)));
}

/** The message, and the place in our own code that a stack names first. */
function firstLines(error) {
  const lines = error.split('\n').filter((line) => line.trim() !== '');
  const stack = lines.findIndex((line) => /^\s+at /.test(line));
  const message = (stack === -1 ? lines : lines.slice(0, stack)).slice(0, ERROR_LINES);
  const place = lines.find((line) => /^\s+at /.test(line) && !/node_modules|node:/.test(line));
  return place === undefined ? message : [...message, place.trim().replace(`${root}/`, '')];
}

function indent(lines) {
  return lines.map((line) => `         ${line}`).join('\n');
}
