import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { StartError } from './start-error.ts';

/** Makes DATA_DIR, for us alone, or says in one sentence that it cannot be written. */
export async function makeStateDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await access(path, constants.W_OK);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown';
    throw new StartError(`${path} cannot be written (${reason}). Set DATA_DIR to a directory of yours.`, { cause });
  }
}
