import { readdir, readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** The server process that `postmaster.pid` of a data directory names. */
export interface Postmaster {
  pid: number;
  socketDirectory: string;
  isReady: boolean;
}

/**
 * The server that runs on this data directory now, if any.
 *
 * A pid alone proves nothing: after a reboot or a container's restart it may be a stranger's. PostgreSQL would then refuse
 * to start, so the file is removed; but only when no process at all works in the directory. A killed server that its parent
 * has not buried yet is such a stranger. The file of a *dead* pid stays: it names the shared memory by which PostgreSQL
 * notices surviving backends, and removing it can corrupt data.
 */
export async function findPostmaster(dataDirectory: string): Promise<Postmaster | undefined> {
  const file = join(dataDirectory, 'postmaster.pid');
  const lines = await readFile(file, 'utf8').then(
    (text) => text.split('\n'),
    () => [],
  );
  const pid = Number(lines[0]);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return undefined;
  if (await worksIn(pid, dataDirectory)) {
    return { pid, socketDirectory: lines[4] ?? '', isReady: lines[7]?.trim() === 'ready' };
  }
  if (!(await isAnyoneIn(dataDirectory))) {
    await rm(file, { force: true });
    // The lock beside the socket names the same pid, and PostgreSQL believes it as well.
    await rm(join(lines[4] ?? '', `.s.PGSQL.${Number(lines[3])}.lock`), { force: true });
  }
  return undefined;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Without /proc (macOS) a living pid is believed. */
async function worksIn(pid: number, directory: string): Promise<boolean> {
  if (!(await hasProc())) return true;
  return (await cwdOf(String(pid))) === (await realpath(directory));
}

async function isAnyoneIn(directory: string): Promise<boolean> {
  const path = await realpath(directory);
  for (const name of await readdir('/proc')) {
    if (/^\d+$/.test(name) && (await cwdOf(name)) === path) return true;
  }
  return false;
}

function cwdOf(pid: string): Promise<string | undefined> {
  return readlink(`/proc/${pid}/cwd`).catch(() => undefined);
}

function hasProc(): Promise<boolean> {
  return readlink('/proc/self').then(
    () => true,
    () => false,
  );
}
