/**
 * `npm start`: installs and builds what is missing, starts the registry in this process, plays the demonstration once for
 * each data directory, and says what to try. `--empty` leaves the demonstration out.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { prepare, root } from './prepare.mjs';

const unknown = process.argv.slice(2).filter((option) => option !== '--empty');
if (unknown.length > 0) {
  console.error(`npm start does not know ${unknown.join(' ')}. It knows: npm start -- --empty`);
  process.exit(1);
}
const isEmpty = process.argv.includes('--empty');

await prepare();
const { runRegistry } = await import('../apps/registry/dist/main.js');
await runRegistry(process.env, async ({ config }, stop) => {
  if (config.mode !== 'development') return;
  if (!isEmpty) await playDemonstration(config, stop);
  if (!stop.aborted) showWhatToTry(config);
});

/** Once: the mark is set when it has come to its end, so one that was interrupted is played again. */
async function playDemonstration({ publicUrl, dataDirectory }, stop) {
  const directory = join(dataDirectory, 'demo');
  const mark = join(directory, 'done');
  const program = join(root, 'apps/cli/dist/margo-trust.js');
  if (existsSync(mark) || !existsSync(program)) return;
  console.log('Playing the demonstration…');
  mkdirSync(directory, { recursive: true });
  const code = await run(program, ['demo', '--registry', publicUrl, '--output', directory], stop);
  if (code === 0) writeFileSync(mark, '');
  else if (!stop.aborted) console.error('The demonstration did not come to its end. The registry runs on; see above.');
}

function run(program, options, stop) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [program, ...options], { stdio: ['ignore', 'inherit', 'inherit'] });
    const end = () => child.kill('SIGTERM');
    stop.addEventListener('abort', end, { once: true });
    child.on('error', () => resolve(1));
    child.on('exit', (code) => {
      stop.removeEventListener('abort', end);
      resolve(code ?? 1);
    });
  });
}

function showWhatToTry({ publicUrl, dataDirectory }) {
  const demo = relative(process.cwd(), join(dataDirectory, 'demo')) || '.';
  const bundle = join(demo, 'evidence.bundle');
  const hasDemo = existsSync(join(dataDirectory, 'demo/done'));
  const tries = hasDemo
    ? [
        `npx margo-trust bundle verify ${quote(bundle)} --root ${quote(join(demo, 'root.json'))}`,
        `npx margo-trust log show --registry ${publicUrl}`,
        `npx margo-trust login --registry ${publicUrl}`,
      ]
    : [
        `npx margo-trust login --registry ${publicUrl}`,
        `npx margo-trust log show --registry ${publicUrl}`,
        `curl ${publicUrl}/api/v1/vendors`,
      ];
  const lines = [
    '',
    'Margo Trust Registry, for development',
    '',
    `  Page      ${publicUrl}/`,
    `  API       ${publicUrl}/docs`,
    `  Data      ${dataDirectory}`,
    '  Sign in   as alice, bob or carol (governance), victor or vera (vendors)',
    '',
    'Try, in another terminal:',
    '',
    ...tries.map((command) => `  ${command}`),
    '',
    'Ctrl-C stops everything.',
    '',
  ];
  console.log(lines.join('\n'));
}

/** As a POSIX shell would need it. */
function quote(path) {
  return /^[A-Za-z0-9._/-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}
