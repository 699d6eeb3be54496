/**
 * Prints `<passed> passed, <failed> failed` as the last line, summed over the Vitest JSON reports of a directory.
 * Exits 1 when a test failed or none ran: a suite that never started must not pass for a green one.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const directory = process.argv[2];
const files = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.json')) : [];

let passed = 0;
let failed = 0;
let skipped = 0;
for (const file of files) {
  const report = JSON.parse(readFileSync(join(directory, file), 'utf8'));
  passed += report.numPassedTests;
  failed += report.numFailedTests;
  skipped += report.numPendingTests + report.numTodoTests;
  // A file that cannot be loaded, or whose hooks throw, fails without a failing test of its own.
  failed += report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  ).length;
}

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = passed > 0 && failed === 0 ? 0 : 1;
