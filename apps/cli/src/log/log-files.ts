import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClientFault, download, parseServerUrl, readFileWithin } from '@margo-trust/client';
import { CliFault } from '../fault.ts';

/** The public files of a log, by their paths below its prefix: `checkpoint`, `tile/…`, `evidence/…`. Nobody trusts them. */
export interface LogFiles {
  /** For people: an address or a directory. */
  readonly name: string;
  readonly isDirectory: boolean;
  /** Undefined when there is no such file. */
  load(path: string, maxBytes?: number): Promise<Uint8Array | undefined>;
  /** The receipt of an entry; undefined where none are given. */
  loadReceipt(entryId: string): Promise<Uint8Array | undefined>;
  /** Another log of the same registry, where these are the files of the first one. */
  of(name: string): LogFiles;
}

/** More than a tile, a checkpoint or a description of the log has. */
const SMALL = 1 << 20;
const ATTEMPTS = 4;

/** A directory, the address of a registry, or the prefix of a log: `…/log`, `…/logs/<name>`, or where a tile store is served. */
export async function openLogFiles(from: string, options: { plainHttp: boolean }): Promise<LogFiles> {
  if (await isDirectory(from)) return directoryFiles(resolve(from));
  const url = parseServerUrl(from, options);
  const [own, below] = [new URL(`${url}/`), new URL(`${url}/log/`)];
  if (NAMED.test(url)) return httpFiles(own, own, 'entries');
  return url.endsWith('/log') ? httpFiles(own, own) : httpFiles(below, own);
}

/** Beside `/log`, as a registry serves it, or below the first log's files, as a tile store has it. */
function filesOfNamed(first: URL, name: string): LogFiles {
  const base = first.pathname.endsWith('/log/') ? new URL('..', first) : first;
  return httpFiles(new URL(`logs/${name}/`, base), new URL(`log/logs/${name}/`, base), 'entries');
}

const NAMED = /\/logs\/[a-z0-9-]{1,31}$/;

export function directoryFiles(directory: string): LogFiles {
  return {
    name: directory,
    isDirectory: true,
    load: (path, maxBytes = SMALL) => readFileWithin(join(directory, path), maxBytes),
    loadReceipt: () => Promise.resolve(undefined),
    of: (name) => directoryFiles(join(directory, 'logs', name)),
  };
}

/** Below `prefix`, or, if there is no checkpoint there, below `other`; `entries` is where receipts are from there. */
function httpFiles(prefix: URL, other: URL, entries = '../entries'): LogFiles {
  let found: URL | undefined = prefix === other ? prefix : undefined;
  const find = async () => {
    if (found) return found;
    const isHere = (await patiently(new URL('checkpoint', prefix), SMALL)) !== undefined;
    return (found = isHere || !(await patiently(new URL('checkpoint', other), SMALL)) ? prefix : other);
  };
  return {
    name: prefix.href,
    isDirectory: false,
    load: async (path, maxBytes = SMALL) => patiently(new URL(path, await find()), maxBytes),
    loadReceipt: async (entryId) => patiently(new URL(`${entries}/${entryId}`, await find()), SMALL),
    of: (name) => filesOfNamed(prefix, name),
  };
}

/** Thousands of requests are to come through: one that breaks is asked again, a second, two and four later. */
async function patiently(url: URL, maxBytes: number): Promise<Uint8Array | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await download(url, { maxBytes, timeoutSeconds: 60 });
    } catch (error) {
      const isPassing = error instanceof ClientFault && PASSING.includes(error.code);
      if (!isPassing || attempt === ATTEMPTS) throw error;
      await sleep(500 * 2 ** attempt);
    }
  }
}

const PASSING = ['client/timeout', 'client/unreachable', 'client/bad-status'];

async function isDirectory(path: string): Promise<boolean> {
  if (/^https?:\/\//i.test(path)) return false;
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch {
    // Said below.
  }
  throw new CliFault(
    'cli/no-such-file',
    `There is no directory ${path}.`,
    'Give a mirror, or the address of a registry.',
  );
}
