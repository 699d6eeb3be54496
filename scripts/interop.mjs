/**
 * Runs unmodified clients against the service: installs the pinned ones into a cache (`.cache/clients`, or
 * MARGO_CLIENT_CACHE), then hands their programs to the `interop` tests. Arguments go to Vitest: `npm run interop -- tuf`.
 * A client that cannot be had ends the run; none is skipped.
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lockFile, programs } from '../test/interop/clients.mjs';

const root = join(import.meta.dirname, '..');

let running;
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => running?.kill(signal));

await run(process.execPath, [join(root, 'scripts/prepare.mjs')]);
mkdirSync(dirname(lockFile), { recursive: true });
// The kernel drops this lock with its holder, so a killed installation blocks nobody.
await run('flock', [lockFile, process.execPath, join(root, 'test/interop/install.mjs')]);
await run(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    ...['run', '--config', 'test/vitest.config.ts', '--project', 'interop'],
    ...process.argv.slice(2),
  ],
  { MARGO_CLIENTS: JSON.stringify(programs()) },
);

/** Resolves when the command exits with 0; otherwise ends this process with the command's own code. */
function run(command, args, env = {}) {
  running = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  return new Promise((resolve) => {
    running.on('error', (error) => {
      console.error(`interop: ${command} cannot be started: ${error.message}`);
      process.exit(1);
    });
    running.on('exit', (code) => (code === 0 ? resolve() : process.exit(code ?? 1)));
  });
}
