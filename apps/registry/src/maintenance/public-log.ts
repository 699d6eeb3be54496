import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyCheckpoint, type LogEvidence } from '@margo-trust/auditor';
import type { Checkpoint, CheckpointKey } from '@margo-trust/tlog';
import { StartError } from '../start-error.ts';
import { readEvidence } from './read-evidence.ts';

const WIDTH = 256n;
const CHECKPOINT_BYTES = 1 << 16;

/**
 * What somebody kept of a log: a mirror's directory, the tile store's, or the address of another replica. Nothing in it is
 * trusted but the checkpoint, which must be signed with the one of `keys` that speaks for its size.
 */
export class PublicLog {
  constructor(
    private readonly from: string,
    private readonly keys: readonly CheckpointKey[],
  ) {}

  /** Throws StartError when there is none, AuditorFault when it is another log's. */
  async loadCheckpoint(): Promise<Checkpoint> {
    const note = await this.read('checkpoint', CHECKPOINT_BYTES);
    if (note === undefined) throw new StartError(`There is no checkpoint at ${this.from}.`);
    return verifyCheckpoint(note, this.keys);
  }

  /** The bundles that hold entries `from` to before `size`, in order. */
  async *bundles(from: bigint, size: bigint): AsyncGenerator<LogEvidence> {
    for (let index = from / WIDTH; index * WIDTH < size; index += 1n) {
      const bundle = await readEvidence((path, maxBytes) => this.read(path, maxBytes), index, size);
      if (!bundle) {
        throw new StartError(`${this.from} does not hold the evidence of entries from ${index * WIDTH} on.`);
      }
      yield bundle;
    }
  }

  private async read(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    if (/^https?:\/\//.test(this.from)) return download(`${this.from.replace(/\/+$/, '')}/log/${path}`, maxBytes);
    const file = join(this.from, path);
    try {
      if ((await stat(file)).size > maxBytes) throw new StartError(`${file} is longer than ${maxBytes} bytes.`);
      return await readFile(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

async function download(url: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(120_000) }).catch((cause) => {
    throw new StartError(`${url} cannot be fetched.`, { cause });
  });
  if (response.status === 404) return undefined;
  if (!response.ok || !response.body) throw new StartError(`${url} answered ${response.status}.`);
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    length += part.length;
    if (length > maxBytes) throw new StartError(`${url} is longer than ${maxBytes} bytes.`);
    parts.push(part);
  }
  return Uint8Array.from(Buffer.concat(parts));
}
