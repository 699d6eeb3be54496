/** `npm run chaos`: kills parts of the registry under load and has an independent judge look. Options: see `-- --help`. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

await prepare();
const child = spawn(process.execPath, [join(root, 'test/chaos/run.mjs'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 130));
