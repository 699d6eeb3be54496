import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { TufFault } from './fault.ts';
import type {
  Delegation,
  MetaFile,
  RootMetadata,
  Signed,
  SnapshotMetadata,
  TargetsMetadata,
  TimestampMetadata,
} from './metadata.ts';
import { parseRoot, parseSnapshot, parseTargets, parseTimestamp } from './parse.ts';
import { verifyThreshold } from './threshold.ts';

/*
 * The client's rules, one function for each file (TUF specification §5.3–5.6): trusted metadata and bytes from anywhere
 * in, newly trusted metadata out. Nothing here looks at a clock: whether trusted metadata has expired is another question.
 */

/** The root file that a device was given out of band (§5.2): only checked against itself. */
export function verifyInitialRoot(bytes: Uint8Array): Signed<RootMetadata> {
  const root = parseRoot(bytes);
  verifyThreshold(root, root.signed.keys, root.signed.roles.root, 'root');
  return root;
}

/** The next root file: the next version, signed by the keys of the one before and by its own (§5.3.4, §5.3.5). */
export function verifyNextRoot(trusted: Signed<RootMetadata>, bytes: Uint8Array): Signed<RootMetadata> {
  const next = parseRoot(bytes);
  verifyThreshold(next, trusted.signed.keys, trusted.signed.roles.root, 'root');
  verifyThreshold(next, next.signed.keys, next.signed.roles.root, 'root');
  if (next.signed.version !== trusted.signed.version + 1) {
    throw new TufFault('tuf/wrong-version', `Root version ${trusted.signed.version + 1} was expected.`);
  }
  return next;
}

/**
 * Whether a new root changes who signs timestamp or snapshot. Then their trusted files must be forgotten (§5.3.11):
 * an attacker may have used the old keys to sign a version that nothing could ever exceed.
 */
export function rotatesOnlineKeys(before: RootMetadata, after: RootMetadata): boolean {
  return (['timestamp', 'snapshot'] as const).some(
    (role) => [...before.roles[role].keyids].sort().join() !== [...after.roles[role].keyids].sort().join(),
  );
}

/** A timestamp file not older than the trusted one, naming a snapshot not older than that one's (§5.4.2–5.4.3). */
export function verifyTimestamp(
  root: Signed<RootMetadata>,
  bytes: Uint8Array,
  trusted?: Signed<TimestampMetadata>,
): Signed<TimestampMetadata> {
  const timestamp = parseTimestamp(bytes);
  verifyThreshold(timestamp, root.signed.keys, root.signed.roles.timestamp, 'timestamp');
  if (!trusted) return timestamp;
  refuseRollback('timestamp', trusted.signed.version, timestamp.signed.version);
  // The same version again brings nothing, whatever it says.
  if (timestamp.signed.version === trusted.signed.version) return trusted;
  const [was, is] = [trusted, timestamp].map((file) => file.signed.meta['snapshot.json'].version);
  refuseRollback('snapshot', was, is);
  return timestamp;
}

/** The snapshot that a timestamp names. No role may disappear from it or go back (§5.5.2–5.5.5). */
export function verifySnapshot(
  root: Signed<RootMetadata>,
  timestamp: Signed<TimestampMetadata>,
  bytes: Uint8Array,
  trusted?: Signed<SnapshotMetadata>,
): Signed<SnapshotMetadata> {
  const listed = timestamp.signed.meta['snapshot.json'];
  verifyListedBytes(bytes, listed, 'snapshot');
  const snapshot = parseSnapshot(bytes);
  verifyThreshold(snapshot, root.signed.keys, root.signed.roles.snapshot, 'snapshot');
  verifyListedVersion(snapshot.signed.version, listed, 'snapshot');
  // The timestamp already says so (§5.4.3), unless the trusted one was lost.
  refuseRollback('snapshot', trusted?.signed.version, snapshot.signed.version);
  for (const [name, { version }] of Object.entries(trusted?.signed.meta ?? {})) {
    refuseRollback(name.replace(/\.json$/, ''), version, snapshot.signed.meta[name]?.version);
  }
  return snapshot;
}

/** A snapshot kept from an earlier update: signed by the role, whatever a timestamp says now. */
export function verifyKeptSnapshot(root: Signed<RootMetadata>, bytes: Uint8Array): Signed<SnapshotMetadata> {
  const snapshot = parseSnapshot(bytes);
  verifyThreshold(snapshot, root.signed.keys, root.signed.roles.snapshot, 'snapshot');
  return snapshot;
}

/** The top-level targets file that a snapshot names (§5.6.2–5.6.5). */
export function verifyTargets(
  root: Signed<RootMetadata>,
  snapshot: Signed<SnapshotMetadata>,
  bytes: Uint8Array,
): Signed<TargetsMetadata> {
  const listed = listedFile(snapshot, 'targets');
  verifyListedBytes(bytes, listed, 'targets');
  const targets = parseTargets(bytes);
  verifyThreshold(targets, root.signed.keys, root.signed.roles.targets, 'targets');
  verifyListedVersion(targets.signed.version, listed, 'targets');
  return targets;
}

/** The file of a role that the top-level targets delegate to. Further delegations are not followed but refused. */
export function verifyDelegated(
  targets: Signed<TargetsMetadata>,
  delegation: Delegation,
  snapshot: Signed<SnapshotMetadata>,
  bytes: Uint8Array,
): Signed<TargetsMetadata> {
  const listed = listedFile(snapshot, delegation.name);
  verifyListedBytes(bytes, listed, delegation.name);
  const delegated = parseTargets(bytes);
  verifyThreshold(delegated, targets.signed.delegations?.keys ?? {}, delegation, delegation.name);
  verifyListedVersion(delegated.signed.version, listed, delegation.name);
  if (delegated.signed.delegations) {
    throw new TufFault('tuf/unsupported', `The ${delegation.name} role delegates further.`);
  }
  return delegated;
}

/** What the snapshot says about a role's file, which it must list. */
export function listedFile(snapshot: Signed<SnapshotMetadata>, role: string): MetaFile {
  const listed = snapshot.signed.meta[`${role}.json`];
  if (!listed) throw new TufFault('tuf/missing-metadata', `The snapshot does not list the ${role} role.`);
  return listed;
}

/** Faults with tuf/hash-mismatch unless the bytes have the length and hash that signed metadata declares, where it does. */
export function verifyListedBytes(bytes: Uint8Array, listed: Omit<MetaFile, 'version'>, what: string): void {
  const hasLength = listed.length === undefined || bytes.length === listed.length;
  if (!hasLength || (listed.hashes && encodeHex(sha256(bytes)) !== listed.hashes.sha256)) {
    throw new TufFault('tuf/hash-mismatch', `The file of ${what} is not the one that was signed for.`);
  }
}

function verifyListedVersion(version: number, listed: MetaFile, role: string): void {
  if (version !== listed.version) {
    throw new TufFault('tuf/wrong-version', `Version ${listed.version} of the ${role} role was expected.`);
  }
}

function refuseRollback(role: string, was: number | undefined, is: number | undefined): void {
  if (was !== undefined && (is === undefined || is < was)) {
    throw new TufFault('tuf/rollback', `The ${role} role went back behind version ${was}.`);
  }
}
