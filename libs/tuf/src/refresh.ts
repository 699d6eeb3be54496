import { Fault } from '@margo-trust/fault';
import { TufFault } from './fault.ts';
import {
  MAX_BYTES,
  type Metadata,
  type MetaFile,
  type RootMetadata,
  type Signed,
  type SnapshotMetadata,
  type TargetsMetadata,
  type TimestampMetadata,
} from './metadata.ts';
import { metadataPath } from './names.ts';
import {
  listedFile,
  rotatesOnlineKeys,
  verifyDelegated,
  verifyInitialRoot,
  verifyKeptSnapshot,
  verifyNextRoot,
  verifySnapshot,
  verifyTargets,
  verifyTimestamp,
} from './trusted-set.ts';

/** `refuse` stops at the first role that has expired, as §5.3.10 asks; `report` goes on and tells which have. */
export interface ExpiryPolicy {
  readonly now: Date;
  readonly expired: 'refuse' | 'report';
}

export interface StaleRole {
  readonly role: string;
  readonly expires: Date;
}

/** What an update starts from. */
export interface TufStart {
  readonly initialRoot: Uint8Array;
  /** Metadata files kept from earlier updates, by `metadataPath`. They are checked again; whatever fails is ignored. */
  readonly kept: ReadonlyMap<string, Uint8Array>;
}

/**
 * What the caller should do next.
 *
 * `fetch`: answer with the file at `path` of the repository, or undefined if it does not exist; read no more than
 * `maxBytes`. Being asked for another step means that the answer was accepted and may be kept.
 * `forget`: before keeping the last answer, delete the kept timestamp and snapshot files. The answer is ignored.
 */
export type TufStep =
  | {
      readonly kind: 'fetch';
      readonly role: string;
      readonly version: number | undefined;
      readonly path: string;
      readonly maxBytes: number;
    }
  | { readonly kind: 'forget' };

/** Trusted metadata that belongs together. */
export interface TrustedMetadata {
  /** From the initial root to the current one. */
  readonly roots: readonly Signed<RootMetadata>[];
  readonly root: Signed<RootMetadata>;
  readonly timestamp: Signed<TimestampMetadata>;
  readonly snapshot: Signed<SnapshotMetadata>;
  readonly targets: Signed<TargetsMetadata>;
  /** In the order of the delegations. */
  readonly delegated: ReadonlyMap<string, Signed<TargetsMetadata>>;
  readonly stale: readonly StaleRole[];
}

type Refresh<T> = Generator<TufStep, T, Uint8Array | undefined>;

/**
 * One update of a device's trusted metadata (TUF specification §5.3–5.6), without any input or output of its own: the
 * caller carries out the steps. Target files are not among them, see `openTargets`.
 *
 * Throws TufFaults into the caller's `next()`. A fault leaves whatever was kept before as it was.
 */
export function* refreshTuf(start: TufStart, policy: ExpiryPolicy): Refresh<TrustedMetadata> {
  const stale: StaleRole[] = [];
  const judge = (role: string, { expires }: Signed<Metadata>): void => {
    if (policy.now < expires) return;
    if (policy.expired === 'refuse') throw new TufFault('tuf/expired', `The ${role} role has expired.`);
    stale.push({ role, expires });
  };

  const { roots, root, isOnlineRotated } = yield* refreshRoot(start);
  judge('root', root);

  const kept = isOnlineRotated ? new Map<string, Uint8Array>() : start.kept;
  const timestamp = yield* refreshTimestamp(root, kept);
  judge('timestamp', timestamp);

  const trustedSnapshot = newestKeptSnapshot(root, kept);
  const snapshot = yield* obtain(kept, 'snapshot', timestamp.signed.meta['snapshot.json'], (bytes) =>
    verifySnapshot(root, timestamp, bytes, trustedSnapshot),
  );
  judge('snapshot', snapshot);

  const targets = yield* obtain(kept, 'targets', listedFile(snapshot, 'targets'), (bytes) =>
    verifyTargets(root, snapshot, bytes),
  );
  judge('targets', targets);

  const delegated = new Map<string, Signed<TargetsMetadata>>();
  for (const delegation of targets.signed.delegations?.roles ?? []) {
    const file = yield* obtain(kept, delegation.name, listedFile(snapshot, delegation.name), (bytes) =>
      verifyDelegated(targets, delegation, snapshot, bytes),
    );
    judge(delegation.name, file);
    delegated.set(delegation.name, file);
  }
  return { roots, root, timestamp, snapshot, targets, delegated, stale };
}

/** §5.3: every version in turn, until there is no next. Expired versions on the way are fine. */
function* refreshRoot(start: TufStart): Refresh<{
  roots: Signed<RootMetadata>[];
  root: Signed<RootMetadata>;
  isOnlineRotated: boolean;
}> {
  let root = verifyInitialRoot(start.initialRoot);
  const roots = [root];
  let isOnlineRotated = false;
  for (let fetched = 0; fetched < MAX_FETCHED_ROOTS;) {
    const version = root.signed.version + 1;
    const path = metadataPath('root', version);
    let next = tryKept(start.kept.get(path), (bytes) => verifyNextRoot(root, bytes));
    if (!next) {
      fetched++;
      const bytes = yield { kind: 'fetch', role: 'root', version, path, maxBytes: MAX_BYTES.root };
      if (bytes === undefined) break;
      next = verifyNextRoot(root, bytes);
      // Kept files were trusted under the kept roots, so only a root that is new here can rotate their keys away. A
      // damaged copy of it says that it is not new.
      if (!start.kept.has(path) && rotatesOnlineKeys(root.signed, next.signed)) {
        isOnlineRotated = true;
        yield { kind: 'forget' };
      }
    }
    root = next;
    roots.push(root);
  }
  return { roots, root, isOnlineRotated };
}

/** §5.4. */
function* refreshTimestamp(
  root: Signed<RootMetadata>,
  kept: ReadonlyMap<string, Uint8Array>,
): Refresh<Signed<TimestampMetadata>> {
  const path = metadataPath('timestamp', 0);
  const trusted = tryKept(kept.get(path), (bytes) => verifyTimestamp(root, bytes));
  const bytes = yield { kind: 'fetch', role: 'timestamp', version: undefined, path, maxBytes: MAX_BYTES.timestamp };
  if (bytes === undefined) throw missing('timestamp');
  return verifyTimestamp(root, bytes, trusted);
}

/** The kept file if it is still the one that is asked for, else the repository's. */
function* obtain<M extends Metadata>(
  kept: ReadonlyMap<string, Uint8Array>,
  role: string,
  listed: MetaFile,
  verify: (bytes: Uint8Array) => Signed<M>,
): Refresh<Signed<M>> {
  const path = metadataPath(role, listed.version);
  const unchanged = tryKept(kept.get(path), verify);
  if (unchanged) return unchanged;
  const limit = role === 'snapshot' ? MAX_BYTES.snapshot : MAX_BYTES.targets;
  const maxBytes = Math.min(listed.length ?? limit, limit);
  const bytes = yield { kind: 'fetch', role, version: listed.version, path, maxBytes };
  if (bytes === undefined) throw missing(role);
  return verify(bytes);
}

/**
 * The snapshot to measure a new one against. Taken from all that are kept, because a timestamp that was lost or
 * damaged must not take the memory of past versions with it.
 */
function newestKeptSnapshot(
  root: Signed<RootMetadata>,
  kept: ReadonlyMap<string, Uint8Array>,
): Signed<SnapshotMetadata> | undefined {
  let newest: Signed<SnapshotMetadata> | undefined;
  for (const [path, bytes] of kept) {
    if (!/^\d+\.snapshot\.json$/.test(path)) continue;
    const snapshot = tryKept(bytes, (file) => verifyKeptSnapshot(root, file));
    if (snapshot && snapshot.signed.version > (newest?.signed.version ?? 0)) newest = snapshot;
  }
  return newest;
}

/** A kept file may be damaged, or from before a key was replaced: then it is as good as absent. */
function tryKept<T>(bytes: Uint8Array | undefined, verify: (bytes: Uint8Array) => T): T | undefined {
  if (bytes === undefined) return undefined;
  try {
    return verify(bytes);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function missing(role: string): TufFault {
  return new TufFault('tuf/missing-metadata', `The file of the ${role} role is missing.`);
}

/** As tuf-js, go-tuf and python-tuf; a device that slept longer needs a second update. */
const MAX_FETCHED_ROOTS = 256;
