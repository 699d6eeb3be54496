/**
 * Installs the clients that are missing. Run under the lock of `clients.mjs`; whatever a cut-off run left half-made is
 * thrown away, and what is there is never built again.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CLIENTS, PACKAGES } from './clients.mjs';

try {
  installPackages();
  for (const client of CLIENTS) installClient(client);
} catch (error) {
  console.error(`interop: ${error.message}`);
  process.exitCode = 1;
}

function installPackages() {
  const missing = PACKAGES.filter(({ program }) => !isOnPath(program));
  if (missing.length === 0) return;
  const packages = missing.map((entry) => entry.package).join(' ');
  if (process.getuid() !== 0 || !isOnPath('apt-get')) {
    const names = missing.map(({ program }) => program).join(', ');
    throw new Error(`${names} not found on PATH; install the Debian packages: ${packages}`);
  }

  timed(packages, () => {
    const apt = ['apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300'];
    run([...apt, 'update'], packages);
    run([...apt, 'install', '--yes', '--no-install-recommends', ...packages.split(' ')], packages);
  });
}

function installClient({ name, version, directory, program, commands }) {
  if (existsSync(program)) return;
  const building = `${directory}.building`;
  for (const leftover of [building, directory]) rmSync(leftover, { recursive: true, force: true });
  mkdirSync(building, { recursive: true });
  timed(`${name} ${version}`, () => {
    for (const command of commands(building)) run(command, `${name} ${version}`);
    renameSync(building, directory);
  });
}

function timed(what, action) {
  const start = performance.now();
  console.log(`interop: installing ${what}`);
  action();
  console.log(`interop: installed ${what} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
}

function run([command, ...args], what) {
  const { error, status, signal } = spawnSync(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', GOWORK: 'off' },
  });
  if (error?.code === 'ENOENT') throw new Error(`${what} cannot be installed: ${command} not found on PATH`);
  if (error !== undefined) throw new Error(`${what} cannot be installed: ${error.message}`);
  if (status !== 0)
    throw new Error(`${what} cannot be installed: ${command} ended with ${signal ?? `exit code ${status}`}`);
}

function isOnPath(program) {
  const directories = (process.env.PATH ?? '').split(delimiter).concat('/usr/sbin', '/sbin');
  return directories.some((directory) => directory !== '' && existsSync(join(directory, program)));
}
