import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { areEqualBytes } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import {
  MAX_BYTES,
  metadataPath,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  targetPath,
  verifyInitialRoot,
  type TrustedMetadata,
} from '@margo-trust/tuf';
import { ClientFault } from './fault.ts';
import { isLeftover, readFileWithin, syncDirectory, writeFileWhole } from './files.ts';

/** The root file that everything else leads back to, under a name that no file of a repository has. */
const INITIAL_ROOT = 'initial.root.json';

/** Names the targets that a directory keeps beside those that every verdict reads. Without it the directory keeps all. */
const KEPT_TARGETS = 'kept-targets.json';

/**
 * A directory with a device's trust root, laid out as a repository, so that any web server makes it a mirror.
 *
 * It is not trusted: what it holds is verified from the initial root each time. The initial root itself is only as
 * safe as the directory; a device that can keep it elsewhere gives it with every call. One process at a time should
 * write; two at once can cost each other a download, never a wrong file.
 */
export class TrustRootCache {
  private readonly directory: string;

  constructor(directory: string) {
    this.directory = directory;
  }

  /**
   * The initial root to start from: the one given, else the one of the directory. Another one than the directory's is
   * refused, because it would be another repository's.
   */
  async loadInitialRoot(given: Uint8Array | undefined): Promise<Uint8Array> {
    const known = await this.findInitialRoot();
    if (known && given && !areEqualBytes(known, given)) {
      throw new ClientFault('client/other-initial-root', 'The directory belongs to another initial root.');
    }
    const initialRoot = known ?? given;
    if (initialRoot) return initialRoot;
    throw new ClientFault('client/no-initial-root', 'A trust root starts from a root file given out of band.');
  }

  /** Keeps the initial root, unless it is there. */
  async keepInitialRoot(initialRoot: Uint8Array): Promise<void> {
    const { signed } = verifyInitialRoot(initialRoot);
    for (const path of [metadataPath('root', signed.version), INITIAL_ROOT]) {
      const known = await this.find(path, MAX_BYTES.root);
      if (!known || !areEqualBytes(known, initialRoot)) await this.write(path, initialRoot);
    }
  }

  /**
   * The targets that the directory keeps beside those that every verdict reads; undefined if it keeps all. A damaged list is as
   * good as none: then more is fetched than is needed.
   */
  async findKeptTargets(): Promise<readonly string[] | undefined> {
    const bytes = await this.find(KEPT_TARGETS, MAX_KEPT_BYTES);
    if (!bytes) return undefined;
    try {
      const { targets } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { targets?: unknown };
      return Array.isArray(targets) && targets.every((name) => typeof name === 'string') ? targets : undefined;
    } catch {
      return undefined;
    }
  }

  /** From now on these targets are kept; undefined means all. Written before them: a crash in between leaves more to fetch. */
  async keepTargets(targets: readonly string[] | undefined): Promise<void> {
    if (targets === undefined) return this.change(() => rm(join(this.directory, KEPT_TARGETS), { force: true }));
    const text = JSON.stringify({ type: 'margo.kept-targets.v1', targets: [...targets].sort() });
    await this.write(KEPT_TARGETS, new Uint8Array(Buffer.from(`${text}\n`)));
  }

  /** Damaged is as good as absent: then it has to be given again. */
  private async findInitialRoot(): Promise<Uint8Array | undefined> {
    const bytes = await this.find(INITIAL_ROOT, MAX_BYTES.root);
    try {
      return bytes && verifyInitialRoot(bytes).bytes;
    } catch (error) {
      if (error instanceof Fault) return undefined;
      throw error;
    }
  }

  /** A file, or undefined when it is missing, too large or can't be read. */
  async find(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    try {
      return await readFileWithin(join(this.directory, path), maxBytes);
    } catch (error) {
      if (error instanceof ClientFault) return undefined;
      throw error;
    }
  }

  /** All metadata files, by their paths. */
  async findMetadata(): Promise<Map<string, Uint8Array>> {
    const files = new Map<string, Uint8Array>();
    for (const name of await list(this.directory)) {
      if (name !== 'timestamp.json' && !VERSIONED.test(name)) continue;
      const bytes = await this.find(name, MAX_BYTES.targets);
      if (bytes) files.set(name, bytes);
    }
    return files;
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    await this.change(() => writeFileWhole(join(this.directory, path), bytes));
  }

  /**
   * Writes the timestamp, and with it makes everything written before the current state. A crash before leaves the
   * state that was current, a crash after the new one.
   */
  async writeTimestamp(bytes: Uint8Array): Promise<void> {
    await syncDirectory(join(this.directory, 'targets'));
    await syncDirectory(this.directory);
    await this.write(metadataPath('timestamp', 0), bytes);
    await syncDirectory(this.directory);
  }

  /** Removes what the keys that are now replaced have signed last (TUF specification §5.3.11). */
  async forgetOnlineRoles(): Promise<void> {
    const names = (await list(this.directory)).filter((name) => /^(timestamp|\d+\.snapshot)\.json$/.test(name));
    await this.change(() => Promise.all(names.map((name) => rm(join(this.directory, name), { force: true }))));
    await syncDirectory(this.directory);
  }

  /**
   * Removes what neither the current state nor the one before refers to. The one before stays for whoever is reading
   * just now. Root files stay for ever, unknown files too.
   */
  async prune(before: ReadonlyMap<string, Uint8Array>, current: TrustedMetadata): Promise<void> {
    const referenced = new Set([...referencedPaths(before), ...referencedPaths(filesOf(current))]);
    const metadata = (await list(this.directory)).filter((name) => isLeftover(name) || isReplaceable(name));
    const targets = (await list(join(this.directory, 'targets')))
      .filter((name) => isLeftover(name) || TARGET.test(name))
      .map((name) => `targets/${name}`);
    const unreferenced = [...metadata, ...targets].filter((path) => !referenced.has(path));
    await this.change(() => Promise.all(unreferenced.map((path) => rm(join(this.directory, path), { force: true }))));
  }

  private async change(work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      throw new ClientFault('client/cache-unwritable', 'The trust root can’t be written to its directory.', { cause });
    }
  }
}

const MAX_KEPT_BYTES = 64 << 10;

async function list(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

function isReplaceable(name: string): boolean {
  return VERSIONED.test(name) && !name.endsWith('.root.json');
}

/** The files behind trusted metadata, by their paths. */
function filesOf({ timestamp, snapshot, targets, delegated }: TrustedMetadata): Map<string, Uint8Array> {
  const roles = Object.entries({ timestamp, snapshot, targets, ...Object.fromEntries(delegated) });
  return new Map(roles.map(([role, { bytes, signed }]) => [metadataPath(role, signed.version), bytes]));
}

/** Every path that files refer to, from the timestamp down. Nothing is verified: what can't be read refers to nothing. */
function referencedPaths(files: ReadonlyMap<string, Uint8Array>): string[] {
  const paths: string[] = [];
  const read = <T>(path: string, parse: (bytes: Uint8Array) => { signed: T }): T | undefined => {
    paths.push(path);
    const bytes = files.get(path);
    try {
      return bytes && parse(bytes).signed;
    } catch (error) {
      if (error instanceof Fault) return undefined;
      throw error;
    }
  };
  const timestamp = read(metadataPath('timestamp', 0), parseTimestamp);
  const snapshot = timestamp && read(metadataPath('snapshot', timestamp.meta['snapshot.json'].version), parseSnapshot);
  for (const [name, { version }] of Object.entries(snapshot?.meta ?? {})) {
    const targets = read(`${version}.${name}`, parseTargets);
    paths.push(...Object.entries(targets?.targets ?? {}).map(([target, file]) => targetPath(target, file)));
  }
  return paths;
}

const VERSIONED = /^\d{1,16}\.[a-z0-9-]+\.json$/;
const TARGET = /^[0-9a-f]{64}\./;
