import type { TufKey } from './key.ts';

/** Members that every signed part carries (TUF specification §4.3). */
interface Common {
  readonly spec_version: string;
  /** Counts from 1. */
  readonly version: number;
  /** `YYYY-MM-DDTHH:MM:SSZ`, see `parseTufTime`. */
  readonly expires: string;
}

export const TOP_LEVEL_ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const;
export type TopLevelRole = (typeof TOP_LEVEL_ROLES)[number];

/** Who may sign for a role: `threshold` different keys out of `keyids`. */
export interface RoleKeys {
  readonly keyids: readonly string[];
  readonly threshold: number;
}

/** §4.3. Dictionaries of parsed metadata have no prototype: any string is safe as an index. */
export interface RootMetadata extends Common {
  readonly _type: 'root';
  readonly consistent_snapshot: true;
  readonly keys: Readonly<Record<string, TufKey>>;
  readonly roles: Readonly<Record<TopLevelRole, RoleKeys>>;
}

/** What one metadata file says about another: `length` in bytes, `sha256` in lower-case hex. */
export interface MetaFile {
  readonly version: number;
  readonly length?: number;
  readonly hashes?: { readonly sha256: string };
}

/** §4.6. */
export interface TimestampMetadata extends Common {
  readonly _type: 'timestamp';
  readonly meta: { readonly 'snapshot.json': MetaFile };
}

/** §4.4. `meta` maps `<role>.json` to the current version of that role. */
export interface SnapshotMetadata extends Common {
  readonly _type: 'snapshot';
  readonly meta: Readonly<Record<string, MetaFile>>;
}

/** §4.5. `length` in bytes, `sha256` in lower-case hex. */
export interface TargetFile {
  readonly length: number;
  readonly hashes: { readonly sha256: string };
}

/** A delegation by `paths` (§4.5): globs where `*` and `?` stop at `/`. */
export interface Delegation extends RoleKeys {
  readonly name: string;
  readonly paths: readonly string[];
  readonly terminating: boolean;
}

/** §4.5. Also the metadata of a delegated role, which then has no delegations of its own. */
export interface TargetsMetadata extends Common {
  readonly _type: 'targets';
  readonly targets: Readonly<Record<string, TargetFile>>;
  readonly delegations?: {
    readonly keys: Readonly<Record<string, TufKey>>;
    readonly roles: readonly Delegation[];
  };
}

export type Metadata = RootMetadata | TimestampMetadata | SnapshotMetadata | TargetsMetadata;

export interface TufSignature {
  readonly keyid: string;
  /** Lower-case hex: 64 bytes for Ed25519, DER for ECDSA. */
  readonly sig: string;
}

/** A metadata file that has been read, not believed: see `verifyThreshold`. */
export interface Signed<M extends Metadata> {
  /** The file as received. */
  readonly bytes: Uint8Array;
  /** What the signatures cover: canonical JSON of the whole signed part, members unknown here included. */
  readonly signedBytes: Uint8Array;
  readonly signed: M;
  readonly expires: Date;
  readonly signatures: readonly TufSignature[];
}

/** Longest file a client reads of a role when nothing signed declares a length, in bytes; the same as tuf-js, python-tuf and go-tuf. */
export const MAX_BYTES = { root: 512_000, timestamp: 16_384, snapshot: 2_000_000, targets: 5_000_000 } as const;
