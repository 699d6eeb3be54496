/**
 * Installs and builds what is missing or out of date; quick when nothing is. Plain Node: it runs before anything is
 * installed. Safe to run twice at once: the second waits for the first, also when that was killed and only its npm lives.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  appendFileSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const root = join(import.meta.dirname, '..');
const lockPath = join(root, '.cache/prepare.lock');
const stampPath = join(root, '.cache/build-stamp');

if (isProgram(import.meta.filename)) await prepare();

/** Whether this file was started itself, rather than imported. */
export function isProgram(filename) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === filename;
}

export async function prepare() {
  refuseOldNode();
  if (!needsInstall() && !needsBuild()) return;
  await withLock(async () => {
    if (needsInstall()) await install();
    if (needsBuild()) await build();
  });
}

function refuseOldNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  giveUp(`Node.js 20.19 or newer is needed; this is ${process.versions.node}.`);
}

/**
 * npm writes its own lock file into node_modules as the last step, so comparing versions tells a missing, outdated or
 * interrupted installation, and accepts one that the developer made himself. Times would not survive git.
 */
function needsInstall() {
  const installedPath = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedPath)) return true;
  const installed = readJson(installedPath).packages;
  const wanted = Object.entries(readJson(join(root, 'package-lock.json')).packages);
  return wanted.some(([path, { version, optional, devOptional, peer }]) => {
    if (!path.startsWith('node_modules/')) return false;
    if (!(path in installed)) return !(optional || devOptional || peer);
    return installed[path].version !== version;
  });
}

async function install() {
  console.error('Installing packages…');
  const { npm_execpath: npm = '' } = process.env;
  // The npm that runs us, whatever PATH says. Development packages are needed to build, also under NODE_ENV=production.
  const command = npm.endsWith('npm-cli.js') ? [process.execPath, npm] : ['npm'];
  const options = ['ci', '--include=dev', '--include=optional', '--no-progress', '--no-fund', '--no-audit'];
  await run([...command, ...options], root, canWrite(homedir) ? {} : { npm_config_cache: join(root, '.cache/npm') });
}

function needsBuild() {
  if (!existsSync(join(root, 'apps/registry/dist/main.js'))) return true;
  return !existsSync(stampPath) || readFileSync(stampPath, 'utf8') !== stampOfSources();
}

/** Taken before the build: what changes during it is built again next time. */
async function build() {
  const stamp = stampOfSources();
  console.error('Building…');
  await run([process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-b', ...projects()], root);
  for (const app of ['apps/console', 'apps/cli']) {
    const directory = join(root, app);
    if (!existsSync(join(directory, 'vite.config.ts'))) continue;
    const vite = join(root, 'node_modules/vite/bin/vite.js');
    await run([process.execPath, vite, 'build', '--logLevel', 'warn'], directory);
  }
  writeFileSync(stampPath, stamp);
}

/** What runs. Tests are type-checked by `npm run check`. */
function projects() {
  return ['apps/registry', 'apps/cli'].filter((app) => existsSync(join(root, app, 'src/main.ts')));
}

function stampOfSources() {
  const hash = createHash('sha256');
  hash.update(process.version);
  for (const path of ['package-lock.json', 'tsconfig.json']) hash.update(readFileSync(join(root, path)));
  for (const folder of ['apps', 'libs', 'migrations']) {
    for (const path of filesBelow(join(root, folder))) {
      const { size, mtimeMs } = statSync(path);
      hash.update(`${path}\0${size}\0${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}

function* filesBelow(directory) {
  const entries = readdirSync(directory, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isFile()) yield path;
    else if (entry.isDirectory() && !['dist', 'dist-types', 'node_modules'].includes(entry.name))
      yield* filesBelow(path);
  }
}

/** Two installations in one directory destroy each other. */
async function withLock(work) {
  if (!canWrite(() => root)) {
    giveUp(`${root} must be installed and built, but cannot be written. Run npm start once as its owner.`);
  }
  mkdirSync(join(root, '.cache'), { recursive: true });
  let isWaiting = false;
  while (!takeLock()) {
    if (!isWaiting) console.error('Waiting for another start that is installing or building…');
    isWaiting = true;
    await sleep(200);
  }
  try {
    await work();
  } finally {
    rmSync(lockPath, { force: true });
  }
}

function takeLock() {
  try {
    writeFileSync(lockPath, `${identityOf(process.pid)}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const seen = readLock();
  if (seen === undefined || seen.split('\n').some(isRunning)) return false;
  // Nobody named in it lives. Renaming lets only one of several waiters take it away; what it took must be what was seen.
  const aside = `${lockPath}.${process.pid}`;
  try {
    renameSync(lockPath, aside);
    if (readFileSync(aside, 'utf8') !== seen) renameSync(aside, lockPath);
    else rmSync(aside);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return false;
}

function readLock() {
  try {
    return readFileSync(lockPath, 'utf8');
  } catch {
    return undefined;
  }
}

/** A pid alone may be reused; with the time its process began it is unique until the next boot. */
function identityOf(pid) {
  return `${pid}:${startOf(pid)}`;
}

function isRunning(identity) {
  const [pid, start] = identity.split(':');
  if (!/^\d+$/.test(pid)) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  return startOf(pid) === start;
}

/** Field 22 of stat, counted behind the last `)`: the name before it may hold spaces. Empty where there is no /proc. */
function startOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return '';
  }
}

/** Runs a command to its end; its output goes to standard error. Signals reach it, since npm would outlive us otherwise. */
function run([program, ...options], cwd, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, options, { cwd, stdio: ['ignore', 2, 2], env: { ...process.env, ...env } });
    if (child.pid !== undefined) appendFileSync(lockPath, `${identityOf(child.pid)}\n`);
    const forward = (signal) => child.kill(signal);
    process.on('SIGINT', forward);
    process.on('SIGTERM', forward);
    child.on('error', (error) => giveUp(`${program} does not start: ${error.message}`));
    child.on('exit', (code, signal) => {
      process.off('SIGINT', forward);
      process.off('SIGTERM', forward);
      if (code === 0) return resolve();
      rmSync(lockPath, { force: true });
      if (signal !== null) process.exit(130);
      giveUp(`${[program, ...options].join(' ')} failed (${code}).`);
    });
  });
}

function canWrite(findPath) {
  try {
    accessSync(findPath(), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function giveUp(message) {
  console.error(message);
  process.exit(1);
}
