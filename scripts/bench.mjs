/**
 * Prints what this machine does: `npm run bench`, or `npm run bench -- registrations` for one of them. Figures are medians
 * of one run; client and server share the cores. None of them is a test.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
await run(join(root, 'scripts/prepare.mjs'));
// The test kit has nothing that runs by itself, so that `prepare` leaves it out.
await run(join(root, 'node_modules/typescript/bin/tsc'), '-b', 'libs/testkit');
await run(join(root, 'test/bench/run.mjs'), ...process.argv.slice(2));

function run(script, ...args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => child.kill(signal));
    child.on('exit', (code) => (code === 0 ? resolve() : process.exit(code ?? 1)));
  });
}
