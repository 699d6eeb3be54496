import {
  metadataPath,
  openTargets,
  refreshTuf,
  targetPath,
  TufFault,
  verifyListedBytes,
  vouchedTargets,
  type ExpiryPolicy,
  type TargetFile,
  type TrustedMetadata,
  type TufFileSet,
  type TufSnapshot,
  type TufStart,
} from '@margo-trust/tuf';
import { COMMON_TARGETS } from '@margo-trust/verifier';
import { TrustRootCache } from './trust-root-cache.ts';
import { openDirectorySource, openTrustRootSource, type TrustRootSource } from './trust-root-source.ts';

export interface TrustRootUpdate {
  /** A repository or mirror: an `https:`, `http:` or `file:` URL, or a directory. It is not trusted. */
  readonly source: string | URL;
  /** Where the trust root is kept; made if there is none. */
  readonly directory: string;
  /** The root file that was given out of band. Needed the first time, and if the copy in the directory is damaged. */
  readonly initialRoot?: Uint8Array;
  readonly now: Date;
  /**
   * What the directory is to hold from now on: all targets, so that it is a mirror; or those that every verdict reads and these
   * beside them (see `vendorTargets`), which add up from call to call. Default: as before, and all in a new directory. A
   * directory that holds all goes on to.
   */
  readonly keep?: 'everything' | readonly string[];
  /** Default `report`: what has expired is in `snapshot.stale`. */
  readonly expired?: ExpiryPolicy['expired'];
  /** For one file. Default 30. */
  readonly timeoutSeconds?: number;
  /** For all of it, so that a slow source can't hold the device. Default 600. */
  readonly deadlineSeconds?: number;
}

export interface UpdatedTrustRoot {
  readonly snapshot: TufSnapshot;
  /** Paths of the files that were new or had been damaged. Empty if the source had no news. */
  readonly written: readonly string[];
}

/**
 * Brings the trust root in a directory up to date, and returns it.
 *
 * Versions never go back, across restarts too, and a damaged file is fetched again. If it faults, with client/… or
 * tuf/…, the directory still holds the state it held before. It needs no lock against readers; see
 * {@link TrustRootCache} for two writers.
 */
export async function updateTrustRoot(update: TrustRootUpdate): Promise<UpdatedTrustRoot> {
  const { source, directory, now, expired = 'report', timeoutSeconds = 30, deadlineSeconds = 600 } = update;
  const signal = AbortSignal.timeout(deadlineSeconds * 1000);
  const from = openTrustRootSource(source, { timeoutSeconds, signal });
  const cache = new TrustRootCache(directory);
  const initialRoot = await cache.loadInitialRoot(update.initialRoot);
  await cache.keepInitialRoot(initialRoot);
  const before = await cache.findMetadata();
  const kept = await chooseTargets(cache, before, update.keep);
  const isWanted = (name: string): boolean => kept === undefined || kept.has(name) || COMMON_TARGETS.includes(name);
  const written: string[] = [];
  const keep = async (path: string, bytes: Uint8Array): Promise<void> => {
    await cache.write(path, bytes);
    written.push(path);
  };

  const keeper = { keep, forgetOnlineRoles: () => cache.forgetOnlineRoles() };
  const trusted = await refresh(from, { initialRoot, kept: before }, { now, expired }, keeper);
  const files = await collectTargets(trusted, async (name, target) => {
    if (!isWanted(name)) return undefined;
    const path = targetPath(name, target);
    const held = await cache.find(path, target.length);
    if (held && isListed(held, target)) return held;
    const bytes = await from.read(path, target.length);
    if (!bytes) throw new TufFault('tuf/missing-target', `The file of target ${name} is missing.`);
    verifyListedBytes(bytes, target, `target ${name}`);
    await keep(path, bytes);
    return bytes;
  });

  const timestampPath = metadataPath('timestamp', 0);
  if (before.get(timestampPath) !== trusted.timestamp.bytes) {
    await cache.writeTimestamp(trusted.timestamp.bytes);
    written.push(timestampPath);
  }
  if (written.length > 0) await cache.prune(before, trusted);
  return { snapshot: openTargets(trusted, files), written };
}

/** The targets that the directory keeps beside the common ones, as it is told from now on; undefined if all. */
async function chooseTargets(
  cache: TrustRootCache,
  before: ReadonlyMap<string, Uint8Array>,
  keep: TrustRootUpdate['keep'],
): Promise<ReadonlySet<string> | undefined> {
  const known = await cache.findKeptTargets();
  const isNew = !before.has(metadataPath('timestamp', 0));
  if (keep === 'everything' || (known === undefined && (keep === undefined || !isNew))) {
    if (known !== undefined) await cache.keepTargets(undefined);
    return undefined;
  }
  const kept = new Set([...(known ?? []), ...(keep ?? [])]);
  if (known === undefined || kept.size > known.length) await cache.keepTargets([...kept]);
  return kept;
}

export interface TrustRootLoad {
  readonly now: Date;
  /** Default `report`. */
  readonly expired?: ExpiryPolicy['expired'];
  /** Default: the one kept in the directory, which is then trusted. For a stick or mirror, give it. */
  readonly initialRoot?: Uint8Array;
}

/**
 * The trust root in a directory: one kept by {@link updateTrustRoot}, or any mirror. Nothing is fetched or written.
 *
 * Metadata is verified here; a target that is damaged or left out is found by `target(name)`. Faults with
 * client/no-initial-root, client/unreachable, client/too-large or tuf/….
 */
export async function loadTrustRoot(directory: string, load: TrustRootLoad): Promise<TufSnapshot> {
  const { now, expired = 'report' } = load;
  const cache = new TrustRootCache(directory);
  // A mirror may have been started from another version of the root.
  const initialRoot = load.initialRoot ?? (await cache.loadInitialRoot(undefined));
  const from = openDirectorySource(directory);
  const trusted = await refresh(from, { initialRoot, kept: new Map() }, { now, expired });
  const files = await collectTargets(trusted, (name, target) => cache.find(targetPath(name, target), target.length));
  return openTargets(trusted, files);
}

/** The files of a repository at its current state, verified from the initial root: what an evidence bundle carries. */
export async function readTufDirectory(directory: string, initialRoot?: Uint8Array): Promise<TufFileSet> {
  // Without a clock nothing expires, and the bundle's reader has its own.
  const load = { now: new Date(0), ...(initialRoot ? { initialRoot } : {}) };
  return (await loadTrustRoot(directory, load)).set;
}

/** A snapshot that notes which targets it is asked for in vain. */
export interface WatchedSnapshot {
  readonly snapshot: TufSnapshot;
  /** Names that the trust root vouches for, whose files are not at hand. Grows while the snapshot is read. */
  readonly missing: ReadonlySet<string>;
}

/** Watches what a verdict misses in a trust root that does not hold everything, so that it can be fetched: `keep`. */
export function watchMissing(snapshot: TufSnapshot): WatchedSnapshot {
  const missing = new Set<string>();
  const target = (name: string): Uint8Array => {
    if (snapshot.findTarget(name) && !Object.hasOwn(snapshot.set.files, name)) missing.add(name);
    return snapshot.target(name);
  };
  return { snapshot: { ...snapshot, target }, missing };
}

interface Keeper {
  keep(path: string, bytes: Uint8Array): Promise<void>;
  forgetOnlineRoles(): Promise<void>;
}

/** Carries out an update's steps. A file is kept once it has been accepted; the timestamp is left to the caller. */
async function refresh(
  from: TrustRootSource,
  start: TufStart,
  policy: ExpiryPolicy,
  keeper?: Keeper,
): Promise<TrustedMetadata> {
  const steps = refreshTuf(start, policy);
  let keepLast = async (): Promise<void> => {};
  let step = steps.next();
  while (!step.done) {
    if (step.value.kind === 'forget') {
      await keeper?.forgetOnlineRoles();
      step = steps.next();
      continue;
    }
    await keepLast();
    const { path, role, maxBytes } = step.value;
    const bytes = await from.read(path, maxBytes);
    keepLast = async () => {
      if (bytes && role !== 'timestamp') await keeper?.keep(path, bytes);
    };
    step = steps.next(bytes);
  }
  await keepLast();
  return step.value;
}

/** Target files by name, a few at a time. */
async function collectTargets(
  trusted: TrustedMetadata,
  collect: (name: string, target: TargetFile) => Promise<Uint8Array | undefined>,
): Promise<Record<string, Uint8Array>> {
  const vouched = vouchedTargets(trusted);
  const collected = new Map<string, Uint8Array>();
  const queue = vouched.entries();
  let isStopped = false;
  const work = async (): Promise<void> => {
    for (const [name, target] of queue) {
      if (isStopped) return;
      const bytes = await collect(name, target);
      if (bytes) collected.set(name, bytes);
    }
  };
  const stop = (): void => void (isStopped = true);
  const workers = Array.from({ length: PARALLEL_DOWNLOADS }, work);
  workers.forEach((worker) => worker.catch(stop));
  // Nothing is under way any more when a fault gets out.
  await Promise.allSettled(workers);
  await Promise.all(workers);
  // In the order of the metadata, whichever came first.
  const files = Object.create(null) as Record<string, Uint8Array>;
  for (const name of vouched.keys()) {
    const bytes = collected.get(name);
    if (bytes) files[name] = bytes;
  }
  return files;
}

function isListed(bytes: Uint8Array, target: TargetFile): boolean {
  try {
    verifyListedBytes(bytes, target, 'a target');
    return true;
  } catch (error) {
    if (error instanceof TufFault) return false;
    throw error;
  }
}

const PARALLEL_DOWNLOADS = 8;
