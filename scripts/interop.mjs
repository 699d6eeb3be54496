/**
 * `npm run interop`: unmodified clients against the service. Installs the pinned ones into a cache (`.cache/clients`, or
 * MARGO_CLIENT_CACHE), then hands their programs to the tests. Arguments go to Vitest: `npm run interop -- tuf`.
 * A client that cannot be had ends the run; none is skipped.
 */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { lockFile, programs } from '../test/interop/clients.mjs';
import { prepare, root } from './prepare.mjs';
import { vitest } from './steps.mjs';

await prepare();
mkdirSync(dirname(lockFile), { recursive: true });
// The kernel drops this lock with its holder, so a killed installation blocks nobody.
await run(['flock', lockFile, process.execPath, join(root, 'test/interop/install.mjs')]);
const reporters = ['--reporter=default', '--reporter=./test/interop/client-matrix.mjs'];
await run(vitest('interop', ...reporters, ...process.argv.slice(2)), { MARGO_CLIENTS: JSON.stringify(programs()) });

/** Resolves when the command exits with 0; otherwise ends this process as the command ended. */
function run([program, ...options], env = {}) {
  const child = spawn(program, options, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
  const forward = (signal) => child.kill(signal);
  process.on('SIGINT', forward);
  process.on('SIGTERM', forward);
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`interop: ${program} does not start: ${error.message}`);
      process.exit(1);
    });
    child.on('exit', (code) => {
      process.off('SIGINT', forward);
      process.off('SIGTERM', forward);
      if (code !== 0) process.exit(code ?? 130);
      resolve();
    });
  });
}
