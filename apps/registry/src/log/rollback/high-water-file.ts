import { open, mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { encodeBase64, parseBase64 } from '@margo-trust/bytes';
import { Config } from '../../config.ts';
import type { HighWater, SeenHead } from './high-water.ts';
import { LogIdentity } from '../log-identity.ts';
import { ServedLog } from '../served-log.ts';
import { LogSteps } from '../log-steps.ts';

const WRITE_EVERY_MS = 1_000;

type Heads = Record<string, { size: string; root: string }>;

/**
 * This machine's own memory of the newest head it signed: `DATA_DIR/high-water.json`, a second behind at most. It lies apart from
 * the database, so that restoring the one does not restore the other; for a log of its own name `high-water.<name>.json`. One head for each log, by the verifier key that it
 * began with: another log under another key is nobody's past.
 *
 * A crash while writing leaves the old file. A directory that cannot be written is said once, and the other witnesses of
 * the past must do.
 */
@Injectable()
export class HighWaterFile implements HighWater, OnApplicationShutdown {
  readonly name: string;
  private readonly path: string;
  private readonly logger = new Logger(HighWaterFile.name);
  private newest: Required<SeenHead> | undefined;
  private writtenSize = 0n;
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> = Promise.resolve();
  private hasComplained = false;

  constructor(
    private readonly config: Config,
    private readonly identity: LogIdentity,
    log: ServedLog,
    private readonly steps: LogSteps = new LogSteps(),
  ) {
    const file = log.name === undefined ? 'high-water.json' : `high-water.${log.name}.json`;
    this.name = `this registry's own file ${file}`;
    this.path = join(config.dataDirectory, file);
  }

  async load(): Promise<SeenHead | undefined> {
    const found = (await this.readAll())[this.key()];
    if (found === undefined) return undefined;
    const seen = { size: BigInt(found.size), root: parseBase64(found.root) };
    if (seen.size > this.writtenSize) this.writtenSize = seen.size;
    return seen;
  }

  /** Remembers a head that was signed, if none larger was. */
  note(head: Required<SeenHead>): void {
    if (head.size <= (this.newest?.size ?? this.writtenSize)) return;
    this.newest = head;
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.flush();
    }, WRITE_EVERY_MS).unref();
  }

  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.timer);
    await this.flush();
  }

  private flush(): Promise<void> {
    return (this.writing = this.writing.then(() => this.write()).catch((error: unknown) => this.complain(error)));
  }

  private async write(): Promise<void> {
    const head = this.newest;
    if (head === undefined || head.size <= this.writtenSize) return;
    const heads: Heads = {
      ...(await this.readAll()),
      [this.key()]: { size: head.size.toString(), root: encodeBase64(head.root) },
    };
    await mkdir(this.config.dataDirectory, { recursive: true, mode: 0o700 });
    await this.steps.reached('before high water');
    await this.replaceFile(`${JSON.stringify(heads, undefined, 2)}\n`);
    this.writtenSize = head.size;
    await this.steps.reached('high water kept');
  }

  /** A file that is not ours to read says nothing, and the next write replaces it. */
  private async readAll(): Promise<Heads> {
    const text = await readFile(this.path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}';
      throw error;
    });
    try {
      return parseHeads(text);
    } catch (error) {
      this.complain(error);
      return {};
    }
  }

  /** The old content or the new, whatever happens in between. Throws what the system says. */
  private async replaceFile(text: string): Promise<void> {
    const draft = `${this.path}.new`;
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await this.steps.reached('high water drafted');
    await rename(draft, this.path);
    const directory = await open(this.config.dataDirectory, 'r');
    await directory.sync().finally(() => directory.close());
  }

  private key(): string {
    return this.identity.firstVerifierKey;
  }

  private complain(error: unknown): void {
    if (this.hasComplained) return;
    this.hasComplained = true;
    this.logger.warn({
      msg: `${this.name} cannot be kept in DATA_DIR: a restored backup is noticed less well`,
      err: error,
    });
  }
}

function parseHeads(text: string): Heads {
  const heads = JSON.parse(text) as unknown;
  if (typeof heads !== 'object' || heads === null || Array.isArray(heads)) throw new Error('Not an object.');
  for (const head of Object.values(heads) as unknown[]) {
    const { size, root } = (head ?? {}) as Partial<Record<string, unknown>>;
    if (typeof size !== 'string' || !/^\d{1,19}$/.test(size)) throw new Error('A size is not a number.');
    if (typeof root !== 'string' || parseBase64(root).length !== 32) throw new Error('A root is not a hash.');
  }
  return heads as Heads;
}
