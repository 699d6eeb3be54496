import { TufFault } from './fault.ts';
import type {
  Metadata,
  RootMetadata,
  Signed,
  SnapshotMetadata,
  TargetFile,
  TargetsMetadata,
  TimestampMetadata,
} from './metadata.ts';
import { matchesPattern } from './names.ts';
import { parseRoot } from './parse.ts';
import { refreshTuf, type ExpiryPolicy, type StaleRole, type TrustedMetadata, type TufStep } from './refresh.ts';
import { makeDictionary } from './shape.ts';
import { verifyListedBytes } from './trusted-set.ts';

/** A repository at one moment, as carried in an evidence bundle or on a USB stick. Nothing in it is trusted yet. */
export interface TufFileSet {
  /** Trusted: the device got it out of band. */
  readonly initialRoot: Uint8Array;
  /** Root files in any order; those up to the initial root are not needed. */
  readonly roots: readonly Uint8Array[];
  readonly timestamp: Uint8Array;
  readonly snapshot: Uint8Array;
  readonly targets: Uint8Array;
  /** By role. */
  readonly delegated: Readonly<Record<string, Uint8Array>>;
  /** Target files by name, as many as there are. */
  readonly files: Readonly<Record<string, Uint8Array>>;
}

/** Verified metadata with the target files that are at hand. */
export interface TufSnapshot {
  readonly root: RootMetadata;
  readonly timestamp: TimestampMetadata;
  readonly snapshot: SnapshotMetadata;
  readonly targets: TargetsMetadata;
  /** By role. */
  readonly delegated: Readonly<Record<string, TargetsMetadata>>;
  /** By role, delegated ones included. */
  readonly versions: Readonly<Record<string, number>>;
  /** The roles that have expired; absent if none has. */
  readonly stale?: readonly StaleRole[];
  /** The files behind all this, to be carried on. */
  readonly set: TufFileSet;
  /** Every name that a role may vouch for and does, at hand or not. */
  readonly targetNames: readonly string[];
  findTarget(name: string): TargetFile | undefined;
  /**
   * The bytes of a target, with length and hash checked. Faults with tuf/unknown-target if no role vouches for the name,
   * tuf/missing-target if the file is not at hand, tuf/hash-mismatch.
   */
  target(name: string): Uint8Array;
}

/**
 * Verifies a set of files as a device would verify a repository (TUF specification §5), with the initial root and the
 * clock of the caller. Every TufFault is possible.
 *
 * It proves that the files belong together and were current once, not that nothing newer exists: a caller that has
 * seen a later set compares `versions`.
 */
export function openTufSnapshot(set: TufFileSet, policy: ExpiryPolicy): TufSnapshot {
  const roots = new Map(set.roots.map((bytes) => [parseRoot(bytes).signed.version, bytes]));
  const refresh = refreshTuf({ initialRoot: set.initialRoot, kept: new Map() }, policy);
  let step = refresh.next();
  while (!step.done) step = refresh.next(answerFrom(set, roots, step.value));
  return openTargets(step.value, set.files);
}

function answerFrom(set: TufFileSet, roots: ReadonlyMap<number, Uint8Array>, step: TufStep): Uint8Array | undefined {
  if (step.kind === 'forget') return undefined;
  const { role, version } = step;
  if (role === 'root') return version === undefined ? undefined : roots.get(version);
  if (role === 'timestamp' || role === 'snapshot' || role === 'targets') return set[role];
  return findOwn(set.delegated, role);
}

/** Joins trusted metadata with target files from anywhere: a file is checked when it is asked for. */
export function openTargets(trusted: TrustedMetadata, files: Readonly<Record<string, Uint8Array>>): TufSnapshot {
  const { roots, root, timestamp, snapshot, targets, delegated, stale } = trusted;
  const vouched = vouchedTargets(trusted);
  const roles: [string, Signed<Metadata>][] = Object.entries({ root, timestamp, snapshot, targets });
  return {
    root: root.signed,
    timestamp: timestamp.signed,
    snapshot: snapshot.signed,
    targets: targets.signed,
    delegated: mapToDictionary(delegated, ({ signed }) => signed),
    versions: mapToDictionary([...roles, ...delegated], ({ signed }) => signed.version),
    ...(stale.length === 0 ? {} : { stale }),
    set: {
      initialRoot: (roots[0] ?? root).bytes,
      roots: roots.map(({ bytes }) => bytes),
      timestamp: timestamp.bytes,
      snapshot: snapshot.bytes,
      targets: targets.bytes,
      delegated: mapToDictionary(delegated, ({ bytes }) => bytes),
      files,
    },
    targetNames: [...vouched.keys()],
    findTarget: (name) => vouched.get(name),
    target: (name) => {
      const target = vouched.get(name);
      if (!target) throw new TufFault('tuf/unknown-target', 'No role vouches for this target.');
      const bytes = findOwn(files, name);
      if (!bytes) throw new TufFault('tuf/missing-target', `The file of target ${name} is missing.`);
      verifyListedBytes(bytes, target, `target ${name}`);
      return bytes;
    },
  };
}

/**
 * What can be trusted about each name (§5.6.7): the top-level targets first, then the delegated roles in order. A role
 * vouches only for names its paths cover, and a terminating role has the last word on those.
 */
export function vouchedTargets(
  trusted: Pick<TrustedMetadata, 'targets' | 'delegated'>,
): ReadonlyMap<string, TargetFile> {
  const vouched = new Map(Object.entries(trusted.targets.signed.targets));
  const closed: string[] = [];
  for (const { name: role, paths, terminating } of trusted.targets.signed.delegations?.roles ?? []) {
    for (const [name, file] of Object.entries(trusted.delegated.get(role)?.signed.targets ?? {})) {
      const isCovered = paths.some((pattern) => matchesPattern(pattern, name));
      const isClosed = closed.some((pattern) => matchesPattern(pattern, name));
      if (isCovered && !isClosed && !vouched.has(name)) vouched.set(name, file);
    }
    if (terminating) closed.push(...paths);
  }
  return vouched;
}

function mapToDictionary<T, U>(
  entries: Iterable<readonly [string, T]>,
  map: (value: T) => U,
): Readonly<Record<string, U>> {
  return makeDictionary([...entries].map(([name, value]) => [name, map(value)]));
}

function findOwn<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
