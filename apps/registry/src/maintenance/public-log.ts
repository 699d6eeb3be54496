import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyCheckpoint, type LogEvidence } from '@margo-trust/auditor';
import { parseBase64, parseJson } from '@margo-trust/bytes';
import { parseVerifierKey, type Checkpoint, type CheckpointKey, type VerifierKey } from '@margo-trust/tlog';
import { StartError } from '../start-error.ts';
import { readEvidence } from './read-evidence.ts';

const WIDTH = 256n;
/** More than a checkpoint or a signed root has. */
const SMALL = 1 << 16;

/**
 * What somebody kept of a log: a mirror's directory, the tile store's, or the address of another replica. Nothing in it is
 * trusted but the checkpoint, by keys that the caller knows.
 */
export class PublicLog {
  private found: string | undefined;

  private constructor(
    /** As people know it. */
    readonly name: string,
    private readonly from: string,
    /** Directories or addresses where its files may be, the likeliest first. */
    private readonly places: readonly string[],
  ) {}

  /** The first log of a registry. `from` is a directory, or the address of a registry, of a mirror or of its `/log`. */
  static first(from: string): PublicLog {
    if (!isAddress(from)) return new PublicLog(from, from, [from]);
    const base = baseOf(from);
    return new PublicLog(from, from, [`${base}/log`, base]);
  }

  /** Another log of the same registry: below `logs/`, in a directory and at an address; a served tile store has it below its own path. */
  of(name: string): PublicLog {
    const { from } = this;
    if (!isAddress(from)) return new PublicLog(join(from, 'logs', name), from, [join(from, 'logs', name)]);
    const base = baseOf(from);
    return new PublicLog(`${base}/logs/${name}`, from, [`${base}/logs/${name}`, `${base}/log/logs/${name}`]);
  }

  /** The signed note as it lies there; undefined when there is none. */
  async findNote(): Promise<Uint8Array | undefined> {
    return this.read('checkpoint', SMALL);
  }

  /** Throws StartError when there is none, AuditorFault when none of `keys` that speaks for its size has signed it. */
  async loadCheckpoint(keys: readonly CheckpointKey[]): Promise<Checkpoint> {
    return verifyCheckpoint(await this.loadNote(), keys);
  }

  /** Throws StartError when there is none. */
  async loadNote(): Promise<Uint8Array> {
    const note = await this.findNote();
    if (note === undefined) throw new StartError(`There is no checkpoint at ${this.name}: is it a mirror of a log?`);
    return note;
  }

  /** What receipts of the checkpoint's size have in common (COSE); undefined when there is none. */
  async findSignedRoot(): Promise<Uint8Array | undefined> {
    return this.read('checkpoint.cose', SMALL);
  }

  /** Where its description says in `history` that a key of checkpoints was replaced, oldest first. Nothing of it is verified. */
  async listHandovers(
    history: 'checkpointHistory' | 'mlDsa44History',
  ): Promise<{ event: bigint; key: VerifierKey; transition: Uint8Array }[]> {
    const bytes = await this.read('log.json', 1 << 20);
    if (!bytes) return [];
    const { [history]: keys } = parseJson(bytes, { maxBytes: 1 << 20, maxDepth: 8 }) as Record<string, unknown>;
    if (!Array.isArray(keys)) return [];
    return keys.flatMap((item: Record<string, unknown> | null) => {
      const { key, event, transition } = item ?? {};
      if (typeof key !== 'string' || typeof transition !== 'string' || typeof event !== 'string') return [];
      if (!/^\d{1,18}$/.test(event)) return [];
      return { event: BigInt(event), key: parseVerifierKey(key), transition: parseBase64(transition) };
    });
  }

  /** The bundles that hold entries `from` to before `size`, in order. */
  async *bundles(from: bigint, size: bigint): AsyncGenerator<LogEvidence> {
    for (let index = from / WIDTH; index * WIDTH < size; index += 1n) {
      const bundle = await readEvidence((path, maxBytes) => this.read(path, maxBytes), index, size);
      if (!bundle) {
        throw new StartError(`${this.name} does not hold the evidence of entries from ${index * WIDTH} on.`);
      }
      yield bundle;
    }
  }

  private async read(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    return readAt(`${await this.place()}/${path}`, maxBytes);
  }

  /** Where there is a checkpoint; the likeliest one where there is none. */
  private async place(): Promise<string> {
    const { places } = this;
    if (this.found !== undefined) return this.found;
    for (const place of places.length === 1 ? [] : places) {
      if (await readAt(`${place}/checkpoint`, SMALL)) return (this.found = place);
    }
    return (this.found = places[0] ?? this.from);
  }
}

function isAddress(place: string): boolean {
  return /^https?:\/\//.test(place);
}

/** Without the path of the first log. */
function baseOf(address: string): string {
  return address.replace(/(?:\/log)?\/*$/, '');
}

async function readAt(place: string, maxBytes: number): Promise<Uint8Array | undefined> {
  if (isAddress(place)) return download(place, maxBytes);
  try {
    if ((await stat(place)).size > maxBytes) throw new StartError(`${place} is longer than ${maxBytes} bytes.`);
    return new Uint8Array(await readFile(place));
  } catch (error) {
    if (error instanceof StartError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new StartError(`${place} cannot be read.`, { cause: error });
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
