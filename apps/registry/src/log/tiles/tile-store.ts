import { StartError } from '../../start-error.ts';

/** One file of the log as outsiders know it: `path` is below the log's prefix, such as `tile/0/000.p/5`. */
export interface StoredFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** A file that may change, as the store holds it now. `version` is the store's own word for just these bytes. */
export interface KeptFile {
  readonly bytes: Uint8Array;
  readonly version: string;
}

/**
 * Where the log's public files go when others serve them: a directory below a web server, or a bucket behind a CDN.
 *
 * Trusted for nothing but availability: whoever holds it can at most leave files out or spoil them, which every reader
 * notices, since all of them lead to a signed root. It is never asked what the log is; PostgreSQL is.
 */
export abstract class TileStore {
  /** Which place this is; progress is kept under this name. Holds no secret. */
  abstract readonly name: string;

  /**
   * Proves that the place refuses to overwrite: what a late or a second writer does must be harmless.
   * Throws {@link UnfitStore} when it overwrites, and other errors when it cannot be asked.
   */
  abstract prove(): Promise<void>;

  /**
   * Writes files that never change, durably: they survive a power cut once this returns. A file that is there already
   * must have the same bytes; throws {@link TileConflict} otherwise, and leaves it as it is.
   */
  abstract create(files: readonly StoredFile[]): Promise<void>;

  /** A file's bytes, at most 16 MB, or `undefined` when there is none. */
  abstract read(path: string): Promise<KeptFile | undefined>;

  /**
   * Replaces a file that may change, if it is still the one that was read (`undefined`: if there was none).
   * Throws {@link TileConflict} when it is not: another writer was here.
   */
  abstract replace(file: StoredFile, read: KeptFile | undefined): Promise<void>;

  /** Removes a file, if it is there. */
  abstract remove(path: string): Promise<void>;

  /** Removes every file directly below a folder, such as the partial tiles in `tile/0/000.p`. */
  abstract removeFolder(path: string): Promise<void>;
}

/** The store overwrites what must not be overwritten, or cannot be used at all. The service does not start on it. */
export class UnfitStore extends StartError {
  override name = 'UnfitStore';
}

/** The store holds other bytes than this log would write. Nothing was changed. */
export class TileConflict extends Error {
  override name = 'TileConflict';
}

/**
 * The disk did not confirm what was written to it. What the page cache shows now may not be what a restart will find, so
 * nothing may be concluded from reading it again: the process must end, and begin again from the database.
 */
export class DurabilityLost extends Error {
  override name = 'DurabilityLost';
}

/**
 * How a file is to be served: immutable ones for a year, the others for a second. Evidence for a minute, as the service does:
 * what is erased must not live on in caches.
 */
export function headersOf(path: string): { contentType: string; cacheControl: string } {
  if (path.startsWith('evidence/')) return { contentType: 'application/cbor', cacheControl: 'public, max-age=60' };
  const isMutable = !path.includes('/');
  const contentType = isMutable ? CONTENT_TYPES[path] : undefined;
  return {
    contentType: contentType ?? 'application/octet-stream',
    cacheControl: isMutable ? 'public, max-age=1' : 'public, max-age=31536000, immutable',
  };
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  checkpoint: 'text/plain; charset=utf-8',
  'log.json': 'application/json',
  'evidence.json': 'application/json',
  'checkpoint.cose': 'application/cose',
};
