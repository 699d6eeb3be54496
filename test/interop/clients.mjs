/**
 * The unmodified clients of `npm run interop`: what they are, where they lie once installed, and how each is made.
 * A recipe builds into an empty directory that becomes the cache entry only when it is complete.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const here = import.meta.dirname;
const cache = resolve(process.env.MARGO_CLIENT_CACHE || join(here, '../../.cache/clients'));

/** The file that serialises installations which share a cache. */
export const lockFile = join(cache, '.lock');

/** Clients built into the cache, each `{ name, version, directory, program, commands(target) }`. */
export const CLIENTS = [
  goProgram('notation', '1.3.2', 'github.com/notaryproject/notation/cmd/notation'),
  goProgram('cosign', '3.1.3', 'github.com/sigstore/cosign/v3/cmd/cosign'),
  goProgram('oras', '1.3.6', 'oras.land/oras/cmd/oras'),
  goProgram('registry', `0.22.1-${sourceHash('registry')}`, '.'),
  goProgram('versitygw', '1.8.0', 'github.com/versity/versitygw/cmd/versitygw'),
  goProgram('go-tuf', `2.4.2-${sourceHash('go-tuf')}`, '.'),
  goProgram('go-checker', `0.30.0-${sourceHash('go-checker')}`, '.'),
  goProgram('timestamp-cli', '2.1.3', 'github.com/sigstore/timestamp-authority/v2/cmd/timestamp-cli'),
  goProgram('helm', '3.22.0', 'helm.sh/helm/v3/cmd/helm'),
  goProgram('step', '0.21.0', 'github.com/smallstep/cli/cmd/step'),
  goProgram('zlint', '3.7.3', 'github.com/zmap/zlint/v3/cmd/zlint'),
  goProgram('omniwitness', '20260720', 'github.com/transparency-dev/witness/cmd/omniwitness'),
  goProgram('witness-client', `20260720-${sourceHash('witness-client')}`, '.'),
  pythonPackages('python-tuf', '7.0.1'),
  pythonPackages('py-checker', '6.3.0'),
  pythonPackages('pkilint', '0.13.3'),
];

/** Debian's clients and the instruments around them: a program, a file that proves it is there, and its package. */
export const PACKAGES = [
  { program: 'docker-registry', package: 'docker-registry' },
  { program: 'openssl', package: 'openssl' },
  { program: 'gpg', package: 'gnupg' },
  { program: 'faketime', package: 'faketime' },
  { program: 'strace', package: 'strace' },
  { program: 'unshare', package: 'util-linux' },
  { program: 'softhsm2-util', package: 'softhsm2' },
  { program: 'pkcs11-tool', package: 'opensc' },
];

/** Names of all clients with the program a test runs for each. */
export function programs() {
  return Object.fromEntries([
    ...CLIENTS.map(({ name, program }) => [name, program]),
    ...PACKAGES.map(({ program }) => [program, program]),
    ['tuf-js', join(here, 'tuf-js/client.mjs')],
  ]);
}

/** Versions of all clients, as the page of `client-matrix.mjs` gives them; those of Debian as they are installed here. */
export function versions() {
  return Object.fromEntries([
    ...CLIENTS.map(({ name, version }) => [name, version.replace(/-[0-9a-f]{8}$/, '')]),
    ...PACKAGES.map(({ program, package: debian }) => [program, debianVersion(debian)]),
    ...['tuf-js', '@sigstore/sign'].map((name) => [name, packageVersion(name)]),
  ]);
}

function debianVersion(name) {
  const { status, stdout } = spawnSync('dpkg-query', ['--show', '--showformat', '${Version}', name], {
    encoding: 'utf8',
  });
  return status === 0 ? `${stdout} (Debian)` : 'of the system';
}

function packageVersion(name) {
  const path = join(here, '../../node_modules', name, 'package.json');
  return JSON.parse(readFileSync(path, 'utf8')).version;
}

/** `go.mod` and `go.sum` beside the client fix every module it is built from. */
function goProgram(name, version, path) {
  const directory = join(cache, `${name}-${version}`);
  return {
    name,
    version,
    directory,
    program: join(directory, name),
    commands: (target) => [['go', 'build', '-C', join(here, name), '-trimpath', '-o', join(target, name), path]],
  };
}

function pythonPackages(name, version) {
  const directory = join(cache, `${name}-${version}`);
  return {
    name,
    version,
    directory,
    program: join(directory, 'bin/python3'),
    commands: (target) => [
      ['python3', '-m', 'venv', target],
      // Through the interpreter: pip's own script would name a directory that is renamed afterwards.
      [
        join(target, 'bin/python3'),
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '--no-deps',
      ].concat('--requirement', join(here, name, 'requirements.txt')),
    ],
  };
}

/** Programs of our own are rebuilt when a source or a pin changes. */
function sourceHash(folder) {
  const hash = createHash('sha256');
  for (const file of readdirSync(join(here, folder)).sort()) hash.update(readFileSync(join(here, folder, file)));
  return hash.digest('hex').slice(0, 8);
}
