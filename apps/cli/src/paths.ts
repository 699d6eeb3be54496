import { join } from 'node:path';
import { CliFault } from './fault.ts';
import type { Io } from './io.ts';

/** Where sign-ins are kept (XDG Base Directory Specification). */
export function configFile(io: Io): string {
  return join(baseDirectory(io, 'XDG_CONFIG_HOME', '.config', '--token'), 'margo-trust', 'config.json');
}

/** Where the trust root is kept unless told otherwise. */
export function defaultTrustRoot(io: Io): string {
  return join(baseDirectory(io, 'XDG_DATA_HOME', '.local/share', '--trust-root DIR'), 'margo-trust', 'trust-root');
}

/** What `docker login` and its relatives leave; undefined where there can be none. */
export function dockerConfigFile(io: Io): string | undefined {
  const directory = io.env['DOCKER_CONFIG'];
  if (directory) return join(directory, 'config.json');
  const home = homeOf(io);
  return home === undefined ? undefined : join(home, '.docker', 'config.json');
}

function baseDirectory(io: Io, variable: string, fallback: string, option: string): string {
  const named = io.env[variable];
  if (named) return named;
  const home = homeOf(io);
  if (home !== undefined) return join(home, fallback);
  throw new CliFault(
    'cli/no-home',
    `There is no home directory, and ${variable} is not set.`,
    `Set it, or give ${option}.`,
  );
}

function homeOf(io: Io): string | undefined {
  return io.env['HOME'] || io.home();
}
