import { encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { encodeCanonicalJson, encodeSortedJson, type CanonicalJson } from './canonical-json.ts';
import { tufKeyId, type TufKey } from './key.ts';
import {
  TOP_LEVEL_ROLES,
  type Delegation,
  type MetaFile,
  type Metadata,
  type RoleKeys,
  type RootMetadata,
  type Signed,
  type SnapshotMetadata,
  type TargetFile,
  type TargetsMetadata,
  type TimestampMetadata,
  type TopLevelRole,
  type TufSignature,
} from './metadata.ts';
import { parseRoot, parseSnapshot, parseTargets, parseTimestamp } from './parse.ts';
import { encodeTufTime } from './time.ts';

/*
 * The writer's side. A description becomes the signed part of a file (`draftRoot` …), whose canonical bytes the caller
 * has signed wherever the keys are (`draftMetadata`), and part and signatures become the file (`assembleMetadata`).
 */

interface Dated {
  /** Counts from 1. */
  readonly version: number;
  readonly expires: Date;
}

export interface RoleDescription {
  readonly keys: readonly TufKey[];
  readonly threshold: number;
}

export interface RootDescription extends Dated {
  readonly roles: Readonly<Record<TopLevelRole, RoleDescription>>;
}

export interface DelegationDescription extends RoleDescription {
  readonly name: string;
  readonly paths: readonly string[];
  /** Default true: nobody after this role is asked about its paths. */
  readonly terminating?: boolean;
}

export interface TargetsDescription extends Dated {
  /** By target name: the file itself, or what is known about it. */
  readonly files: Readonly<Record<string, Uint8Array | TargetFile>>;
  readonly delegations?: readonly DelegationDescription[];
}

export interface SnapshotDescription extends Dated {
  /** The finished file of targets and of every role that was ever delegated to, by role. */
  readonly roles: Readonly<Record<string, Uint8Array>>;
}

export interface TimestampDescription extends Dated {
  /** The finished snapshot file. */
  readonly snapshot: Uint8Array;
}

/** The signed part of a root file. Whether the roles can be met is for the parser to say: see {@link assembleMetadata}. */
export function draftRoot({ roles, ...dated }: RootDescription): RootMetadata {
  return {
    _type: 'root',
    ...common(dated),
    consistent_snapshot: true,
    keys: keysById(TOP_LEVEL_ROLES.flatMap((role) => roles[role].keys)),
    roles: {
      root: roleKeys(roles.root),
      timestamp: roleKeys(roles.timestamp),
      snapshot: roleKeys(roles.snapshot),
      targets: roleKeys(roles.targets),
    },
  };
}

/** The signed part of the targets file, or of a delegated role's, which then has no delegations. */
export function draftTargets({ files, delegations, ...dated }: TargetsDescription): TargetsMetadata {
  const targets = Object.entries(files).map(([name, file]) => [name, describeTarget(file)] as const);
  return {
    _type: 'targets',
    ...common(dated),
    targets: Object.fromEntries(targets),
    // An empty member would be one more thing for clients to disagree on.
    ...(delegations?.length ? { delegations: draftDelegations(delegations) } : {}),
  };
}

/** The signed part of a snapshot over finished targets files. */
export function draftSnapshot({ roles, ...dated }: SnapshotDescription): SnapshotMetadata {
  const meta = Object.entries(roles).map(
    ([role, bytes]) => [`${role}.json`, describeFile(parseTargets(bytes))] as const,
  );
  return { _type: 'snapshot', ...common(dated), meta: Object.fromEntries(meta) };
}

/** The signed part of a timestamp over a finished snapshot file. */
export function draftTimestamp({ snapshot, ...dated }: TimestampDescription): TimestampMetadata {
  const meta = { 'snapshot.json': describeFile(parseSnapshot(snapshot)) };
  return { _type: 'timestamp', ...common(dated), meta };
}

/** The bytes that the role's keys sign (TUF specification §4.2.1). */
export function draftMetadata(signed: Metadata): Uint8Array {
  return encodeCanonicalJson(toJson(signed));
}

/**
 * The metadata file for a signed part, with its signatures in order of key id. What the parser would refuse is refused
 * here, with the parser's faults; whether the signatures are valid and enough is for `verifyThreshold`.
 */
export function assembleMetadata(signed: Metadata, signatures: readonly TufSignature[]): Uint8Array {
  const sorted = [...signatures].sort((a, b) => (a.keyid < b.keyid ? -1 : 1)).map(({ keyid, sig }) => ({ keyid, sig }));
  const bytes = encodeSortedJson({ signatures: sorted, signed: toJson(signed) });
  PARSERS[signed._type](bytes);
  return bytes;
}

/** A signature as metadata writes it; an ECDSA signature is DER. */
export function tufSignature(key: TufKey, signature: Uint8Array): TufSignature {
  return { keyid: tufKeyId(key), sig: encodeHex(signature) };
}

/** What signed metadata says about a target file. */
export function describeTarget(file: Uint8Array | TargetFile): TargetFile {
  if (!(file instanceof Uint8Array)) return { length: file.length, hashes: { sha256: file.hashes.sha256 } };
  return { length: file.length, hashes: { sha256: encodeHex(sha256(file)) } };
}

function describeFile({ bytes, signed }: Signed<Metadata>): MetaFile {
  return { version: signed.version, ...describeTarget(bytes) };
}

function draftDelegations(delegations: readonly DelegationDescription[]): TargetsMetadata['delegations'] & object {
  return {
    keys: keysById(delegations.flatMap(({ keys }) => keys)),
    roles: delegations.map(({ name, paths, terminating = true, ...role }): Delegation => ({
      name,
      ...roleKeys(role),
      paths,
      terminating,
    })),
  };
}

function common({ version, expires }: Dated): { spec_version: string; version: number; expires: string } {
  return { spec_version: '1.0.31', version, expires: encodeTufTime(expires) };
}

function keysById(keys: readonly TufKey[]): Readonly<Record<string, TufKey>> {
  return Object.fromEntries(keys.map((key) => [tufKeyId(key), key]));
}

function roleKeys({ keys, threshold }: RoleDescription): RoleKeys {
  return { keyids: keys.map(tufKeyId), threshold };
}

/** Interfaces have no index signature, so the compiler can't see that metadata is JSON; the encoder checks it anyway. */
function toJson(signed: Metadata): CanonicalJson {
  return signed as unknown as CanonicalJson;
}

const PARSERS = { root: parseRoot, timestamp: parseTimestamp, snapshot: parseSnapshot, targets: parseTargets } as const;
