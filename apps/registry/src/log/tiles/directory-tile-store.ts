import { createHash, randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  rmdir,
  stat,
  unlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { areEqualBytes } from '@margo-trust/bytes';
import { DurabilityLost, type KeptFile, type StoredFile, TileConflict, TileStore, UnfitStore } from './tile-store.ts';

/** What is about to be done to the disk. A test makes it fail, or stop, at any of them. */
export type DiskStep =
  'make directory' | 'write' | 'sync file' | 'link' | 'rename' | 'sync directory' | 'remove temporary file' | 'remove';

/** Beside the log's files, never below a name that readers ask for. On the same file system, as link(2) needs it. */
const STAGING = '.staging';
const WRITERS = 16;

/**
 * A directory of a local file system, for a web server or a CDN to read from.
 *
 * A file is written under a temporary name, flushed, and gets its name by link(2), which never overwrites; then the directory is flushed.
 * So a name exists only once its bytes are on disk. A crash leaves temporary files, which a later start removes, and
 * whole files that the caller's progress does not know yet: those are written anew rather than believed, because a
 * failed flush leaves good bytes in the page cache and bad ones on the disk.
 */
export class DirectoryTileStore extends TileStore {
  readonly name: string;
  /** Directories that are known to be on disk. */
  private readonly made = new Set<string>();

  constructor(
    private readonly directory: string,
    private readonly before: (step: DiskStep, path: string) => void = () => undefined,
  ) {
    super();
    this.name = `directory ${directory}`;
  }

  async prove(): Promise<void> {
    const probe = join(STAGING, `probe-${randomBytes(8).toString('hex')}`);
    await this.makeDirectory(STAGING);
    const temporary = await this.write(Uint8Array.of(1));
    try {
      await this.link(temporary, probe);
      if (await this.link(temporary, probe)) {
        throw new UnfitStore(`TILE_DIRECTORY ${this.directory} overwrites by link(2): use a local file system.`);
      }
      await this.removeLeftovers(temporary);
    } catch (error) {
      if (!hasCode(error, 'EPERM', 'ENOSYS', 'EOPNOTSUPP')) throw error;
      throw new UnfitStore(`TILE_DIRECTORY ${this.directory} knows no hard links: use a local file system.`, {
        cause: error,
      });
    } finally {
      await rm(join(this.directory, probe), { force: true });
      await rm(temporary, { force: true });
    }
  }

  async create(files: readonly StoredFile[]): Promise<void> {
    try {
      for (let at = 0; at < files.length; at += WRITERS) await this.createSome(files.slice(at, at + WRITERS));
    } catch (error) {
      this.made.clear(); // somebody may have removed a directory
      throw error;
    }
  }

  async read(path: string): Promise<KeptFile | undefined> {
    const bytes = await this.find(path);
    return bytes && { bytes, version: versionOf(bytes) };
  }

  /**
   * The comparison and rename(2) are two steps: callers must see to it that one of them writes at a time. The window in
   * which a process that was stopped just here could put an older file back is closed by the next publication.
   */
  async replace({ path, bytes }: StoredFile, read: KeptFile | undefined): Promise<void> {
    await this.makeDirectory(dirname(path));
    const temporary = await this.write(bytes);
    try {
      const now = await this.read(path);
      if (now?.version !== read?.version) throw new TileConflict(`Another writer changed ${path}.`);
      this.before('rename', path);
      await rename(temporary, join(this.directory, path));
    } catch (error) {
      await this.discard(temporary);
      throw error;
    }
    await this.syncDirectory(dirname(path));
  }

  async remove(path: string): Promise<void> {
    this.before('remove', path);
    await unlink(join(this.directory, path)).catch(noneIfMissing<void>);
  }

  async removeFolder(path: string): Promise<void> {
    const names = await readdir(join(this.directory, path)).catch(noneIfMissing<string[]>);
    if (names === undefined) return;
    for (const name of names) {
      this.before('remove', join(path, name));
      await unlink(join(this.directory, path, name));
    }
    this.before('remove', path);
    await rmdir(join(this.directory, path));
    this.made.delete(path);
  }

  private async createSome(files: readonly StoredFile[]): Promise<void> {
    const directories = new Set(files.map(({ path }) => dirname(path)));
    for (const directory of directories) await this.makeDirectory(directory);
    await allSettled(files.map((file) => this.createOne(file)));
    await allSettled([...directories].map((directory) => this.syncDirectory(directory)));
  }

  private async createOne({ path, bytes }: StoredFile): Promise<void> {
    const temporary = await this.write(bytes);
    try {
      if (!(await this.link(temporary, path))) {
        const kept = await this.find(path);
        if (!kept || !areEqualBytes(kept, bytes)) throw new TileConflict(`${path} is there with other bytes.`);
        this.before('rename', path);
        await rename(temporary, join(this.directory, path));
        return;
      }
    } catch (error) {
      await this.discard(temporary);
      throw error;
    }
    await this.discard(temporary);
  }

  /** Writes and flushes a temporary file, and returns where it is. */
  private async write(bytes: Uint8Array): Promise<string> {
    const temporary = join(this.directory, STAGING, randomBytes(12).toString('hex'));
    await this.makeDirectory(STAGING);
    this.before('write', temporary);
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(bytes);
      await this.sync('sync file', temporary, file);
    } catch (error) {
      await file.close();
      await this.discard(temporary);
      throw error;
    }
    await file.close();
    return temporary;
  }

  /** Temporary files that are an hour older than `fresh`: whoever wrote them is no more. */
  private async removeLeftovers(fresh: string): Promise<void> {
    const { mtimeMs: now } = await stat(fresh);
    for (const name of await readdir(join(this.directory, STAGING))) {
      const path = join(this.directory, STAGING, name);
      const found = await stat(path).catch(noneIfMissing<Stats>);
      if (found && found.mtimeMs < now - 3_600_000) await rm(path, { force: true });
    }
  }

  /** False when the name is taken. */
  private async link(temporary: string, path: string): Promise<boolean> {
    this.before('link', path);
    try {
      await link(temporary, join(this.directory, path));
      return true;
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false;
      throw error;
    }
  }

  private async discard(temporary: string): Promise<void> {
    this.before('remove temporary file', temporary);
    await rm(temporary, { force: true });
  }

  private async find(path: string): Promise<Uint8Array | undefined> {
    const bytes = await readFile(join(this.directory, path)).catch(noneIfMissing<Buffer>);
    return bytes && new Uint8Array(bytes);
  }

  /** Makes a directory and those above it, each flushed into its parent, also if a run that was cut off made it. */
  private async makeDirectory(path: string): Promise<void> {
    if (this.made.has(path)) return;
    if (path !== '.') await this.makeDirectory(dirname(path));
    this.before('make directory', path);
    await mkdir(join(this.directory, path), { recursive: path === '.', mode: 0o755 }).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error;
    });
    if (path !== '.') await this.syncDirectory(dirname(path));
    if (this.made.size >= 10_000) this.made.clear();
    this.made.add(path);
  }

  private async syncDirectory(path: string): Promise<void> {
    const directory = await open(join(this.directory, path), 'r');
    try {
      await this.sync('sync directory', path, directory);
    } finally {
      await directory.close();
    }
  }

  /** A full disk may show up only here, and then nothing was promised; any other failure leaves the cache unbelievable. */
  private async sync(step: 'sync file' | 'sync directory', path: string, file: FileHandle): Promise<void> {
    try {
      this.before(step, path);
      await file.sync();
    } catch (cause) {
      if (step === 'sync file' && hasCode(cause, 'ENOSPC', 'EDQUOT')) throw cause;
      if (!hasCode(cause)) throw cause;
      throw new DurabilityLost(`The disk did not take ${path}.`, { cause });
    }
  }
}

/** Waits for all before it throws: nothing may still be writing when the caller goes on. */
async function allSettled(work: Promise<void>[]): Promise<void> {
  const failures = (await Promise.allSettled(work)).flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  // What must end the process must not hide behind what need not.
  if (failures.length > 0) throw failures.find((reason) => reason instanceof DurabilityLost) ?? failures[0];
}

function versionOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function noneIfMissing<T>(error: unknown): T | undefined {
  if (hasCode(error, 'ENOENT')) return undefined;
  throw error;
}

/** Whether an error comes from the operating system, with one of these codes if any are given. */
function hasCode(error: unknown, ...codes: string[]): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && (codes.length === 0 || codes.includes(code));
}
