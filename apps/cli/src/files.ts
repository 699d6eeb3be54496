import { chmod, mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ClientFault, readFileWithin, writeFileWhole } from '@margo-trust/client';
import { parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { CliFault } from './fault.ts';

/** A file that a command line names. `what` says what it should be: "initial root", "private key". */
export async function readInput(path: string, what: string, maxBytes: number): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readFileWithin(path, maxBytes);
  } catch (cause) {
    if (!(cause instanceof ClientFault)) throw cause;
    const reason = cause.code === 'client/too-large' ? `is longer than ${maxBytes} bytes` : 'can’t be read';
    throw new CliFault('cli/unreadable', `The ${what} ${path} ${reason}.`, 'Check the path.', { cause });
  }
  if (!bytes) throw new CliFault('cli/no-such-file', `There is no ${what} ${path}.`, 'Check the path.');
  return bytes;
}

/** The file that is to be judged: to a script, a missing one is a missing artifact. */
export async function readEvidence(path: string, what: string): Promise<Uint8Array> {
  try {
    return await readInput(path, what, 64 << 20);
  } catch (error) {
    if (!(error instanceof CliFault) || error.code !== 'cli/no-such-file') throw error;
    throw new CliFault('cli/not-found', error.message, error.advice);
  }
}

export async function readTextInput(path: string, what: string, maxBytes: number): Promise<string> {
  try {
    return parseUtf8(await readInput(path, what, maxBytes));
  } catch (cause) {
    if (cause instanceof CliFault || !(cause instanceof Fault)) throw cause;
    throw new CliFault('cli/unreadable', `The ${what} ${path} is not text.`, 'Check the path.', { cause });
  }
}

/** Writes a file whole or not at all. */
export async function writeOutput(path: string, content: Uint8Array | string): Promise<void> {
  try {
    await writeFileWhole(path, typeof content === 'string' ? new TextEncoder().encode(content) : content);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** A new file that only its owner can read, from its first moment on. An existing one is never touched. */
export function writeSecret(path: string, content: string): Promise<void> {
  return create(path, content, 0o600);
}

/** A new file for everybody. An existing one is never touched. */
export function writeNew(path: string, content: string): Promise<void> {
  return create(path, content, 0o644);
}

async function create(path: string, content: string, mode: number): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(path, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') {
      throw new CliFault('cli/file-exists', `${path} exists already.`, 'Name another file, or move it away.', {
        cause,
      });
    }
    throw unwritable(path, cause);
  }
}

/** Replaces a file that only its owner may read. */
export async function replaceSecret(path: string, content: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    // Made empty and private first, so that the secret is never readable for others.
    const file = await open(path, 'a', 0o600);
    await file.close();
    await chmod(path, 0o600);
    const again = await open(path, 'w', 0o600);
    try {
      await again.writeFile(content);
    } finally {
      await again.close();
    }
  } catch (cause) {
    throw unwritable(path, cause);
  }
}

/** Gives a file another name, in whose place there may be another file. */
export async function moveFile(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (cause) {
    throw unwritable(to, cause);
  }
}

function unwritable(path: string, cause: unknown): CliFault {
  return new CliFault('cli/unwritable', `${path} can’t be written.`, 'Check the path and its permissions.', { cause });
}
