import type { Stats } from 'node:fs';
import { mkdir, open, rename, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClientFault } from './fault.ts';

/** A file's bytes, or undefined if there is none. Faults with client/too-large or client/unreachable. */
export async function readFileWithin(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  let file: FileHandle | undefined;
  try {
    const { size } = await requireFile(path);
    if (size > maxBytes) throw new ClientFault('client/too-large', `The file is longer than ${maxBytes} bytes.`);
    file = await open(path);
    // Read no further than that, should the file be growing.
    const buffer = Buffer.alloc(size);
    const { bytesRead } = await file.read(buffer, 0, size, 0);
    return new Uint8Array(buffer.subarray(0, bytesRead));
  } catch (cause) {
    if (cause instanceof ClientFault) throw cause;
    if (isMissing(cause)) return undefined;
    throw new ClientFault('client/unreachable', 'The file can’t be read.', { cause });
  } finally {
    await file?.close();
  }
}

/** Refuses a pipe or a device before it is opened, because that could take for ever. */
async function requireFile(path: string): Promise<Stats> {
  const stats = await stat(path);
  if (!stats.isFile()) throw new ClientFault('client/unreachable', 'It is not a file.');
  return stats;
}

/**
 * Writes a file whole or not at all: after a crash there is the old content or the new, and perhaps a leftover that
 * {@link isLeftover} tells. The name is durable only after {@link syncDirectory}.
 */
export async function writeFileWhole(path: string, bytes: Uint8Array): Promise<void> {
  const leftover = `${path}.${process.pid}-${++written}.new`;
  await mkdir(dirname(path), { recursive: true });
  const file = await open(leftover, 'w');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(leftover, path);
}

let written = 0;

/** Whether a name is that of an unfinished write by a process that is not this one. */
export function isLeftover(name: string): boolean {
  const pid = /\.(\d+)-\d+\.new$/.exec(name)?.[1];
  return pid !== undefined && Number(pid) !== process.pid;
}

/** Makes the names in a directory durable, where the system can. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path).catch(() => undefined);
  await directory?.sync().catch(() => undefined);
  await directory?.close();
}

export function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
