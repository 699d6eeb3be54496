import { parseJson } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { encodeCanonicalJson, type CanonicalJson } from './canonical-json.ts';
import { TufFault } from './fault.ts';
import { tufKeyId, type TufKey } from './key.ts';
import {
  MAX_BYTES,
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
import { isDelegatedRoleName, isPathPattern, isTargetName } from './names.ts';
import {
  malformed,
  readArray,
  readBoolean,
  readCount,
  readDictionary,
  readObject,
  readString,
  type JsonObject,
} from './shape.ts';
import { parseTufTime } from './time.ts';

/*
 * From bytes to metadata whose shape is known and whose signatures nobody has checked yet. Members that the
 * specification may add later are ignored here, but they stay in the signed bytes. Every function faults with
 * tuf/malformed, tuf/too-large, tuf/not-canonical, tuf/bad-key or tuf/unsupported, and with nothing else.
 */

/** Reads a root file (TUF specification §4.3) of at most 512,000 bytes. */
export function parseRoot(bytes: Uint8Array): Signed<RootMetadata> {
  return parseMetadata(bytes, 'root', MAX_BYTES.root, (signed) => {
    if (signed['consistent_snapshot'] !== true) {
      throw new TufFault('tuf/unsupported', 'Only repositories with consistent snapshots are supported.');
    }
    const keys = readKeys(signed['keys']);
    const roles = readDictionary(signed['roles'], 'roles', (role) => readRoleKeys(readObject(role, 'A role'), keys));
    if (Object.keys(roles).sort().join() !== [...TOP_LEVEL_ROLES].sort().join()) {
      throw malformed('roles', 'root, timestamp, snapshot and targets');
    }
    return { consistent_snapshot: true, keys, roles: roles as Readonly<Record<TopLevelRole, RoleKeys>> };
  });
}

/** Reads a timestamp file (§4.6) of at most 16,384 bytes. */
export function parseTimestamp(bytes: Uint8Array): Signed<TimestampMetadata> {
  return parseMetadata(bytes, 'timestamp', MAX_BYTES.timestamp, (signed) => {
    const meta = readDictionary(signed['meta'], 'meta', readMetaFile);
    const snapshot = meta['snapshot.json'];
    if (snapshot === undefined || Object.keys(meta).length !== 1) throw malformed('meta', 'about snapshot.json alone');
    return { meta: { 'snapshot.json': snapshot } };
  });
}

/** Reads a snapshot file (§4.4) of at most 2,000,000 bytes. */
export function parseSnapshot(bytes: Uint8Array): Signed<SnapshotMetadata> {
  return parseMetadata(bytes, 'snapshot', MAX_BYTES.snapshot, (signed) => {
    const meta = readDictionary(signed['meta'], 'meta', (file, name) => {
      const role = name.replace(/\.json$/, '');
      const isRole = name.endsWith('.json') && (role === 'targets' || isDelegatedRoleName(role));
      if (!isRole) throw malformed('meta', 'about targets and delegated roles');
      return readMetaFile(file);
    });
    if (meta['targets.json'] === undefined) throw malformed('meta', 'about targets.json too');
    return { meta };
  });
}

/** Reads the file of the targets role or of a delegated role (§4.5), of at most 5,000,000 bytes. */
export function parseTargets(bytes: Uint8Array): Signed<TargetsMetadata> {
  return parseMetadata(bytes, 'targets', MAX_BYTES.targets, (signed) => {
    const targets = readDictionary(signed['targets'], 'targets', (file, name) => {
      if (!isTargetName(name)) throw malformed('The name of a target', 'flat, of letters, digits, ".", "_" and "-"');
      return readTargetFile(file);
    });
    const delegations = signed['delegations'];
    return delegations === undefined ? { targets } : { targets, delegations: readDelegations(delegations) };
  });
}

/** The members that are the role's own. */
type Own<M extends Metadata> = Omit<M, '_type' | 'spec_version' | 'version' | 'expires'>;

function parseMetadata<M extends Metadata>(
  bytes: Uint8Array,
  type: M['_type'],
  maxBytes: number,
  readOwn: (signed: JsonObject) => Own<M>,
): Signed<M> {
  const file = readObject(parseDocument(bytes, maxBytes), 'Metadata');
  const signatures = readSignatures(file['signatures']);
  const signed = readObject(file['signed'], 'signed');
  const signedBytes = encodeCanonicalJson(signed);
  if (signed['_type'] !== type) throw malformed('_type', type);
  const specVersion = readString(signed['spec_version'], 'spec_version');
  if (!/^1\.\d{1,4}(\.\d{1,4})?$/.test(specVersion)) {
    throw new TufFault('tuf/unsupported', 'Only version 1 of the TUF specification is supported.');
  }
  const expires = readString(signed['expires'], 'expires');
  const common = {
    _type: type,
    spec_version: specVersion,
    version: readCount(signed['version'], 'version', 1),
    expires,
  };
  return {
    bytes,
    signedBytes,
    signed: { ...common, ...readOwn(signed) } as M,
    expires: parseTufTime(expires),
    signatures,
  };
}

function parseDocument(bytes: Uint8Array, maxBytes: number): unknown {
  if (bytes.length > maxBytes) throw new TufFault('tuf/too-large', `The file is larger than ${maxBytes} bytes.`);
  try {
    return parseJson(bytes, { maxBytes, maxDepth: 16 });
  } catch (cause) {
    if (cause instanceof Fault) throw new TufFault('tuf/malformed', 'The file is not JSON.', { cause });
    throw cause;
  }
}

/** §4.2.1: a key id that signs twice would look like two signers. */
function readSignatures(value: unknown): readonly TufSignature[] {
  const signatures = readArray(value, 'signatures', (item) => {
    const signature = readObject(item, 'A signature');
    const sig = readString(signature['sig'], 'sig');
    if (!/^[0-9a-f]*$/.test(sig) || sig.length % 2 !== 0) throw malformed('sig', 'lower-case hexadecimal');
    return { keyid: readKeyId(signature['keyid']), sig };
  });
  requireUnique(signatures.map(({ keyid }) => keyid));
  return signatures;
}

function readKeys(value: unknown): Readonly<Record<string, TufKey>> {
  return readDictionary(value, 'keys', (member, keyid) => {
    const key = readObject(member, 'A key');
    readString(key['keytype'], 'keytype');
    readString(key['scheme'], 'scheme');
    readString(readObject(key['keyval'], 'keyval')['public'], 'public');
    // The line above has seen every member that the type promises.
    if (tufKeyId(key as TufKey) !== keyid) throw new TufFault('tuf/bad-key', 'A key is not the one its id names.');
    return key as TufKey;
  });
}

function readRoleKeys(role: JsonObject, keys: Readonly<Record<string, TufKey>>): RoleKeys {
  const keyids = readArray(role['keyids'], 'keyids', readKeyId);
  requireUnique(keyids);
  if (!keyids.every((keyid) => keyid in keys)) throw malformed('keyids', 'about keys that are listed');
  const threshold = readCount(role['threshold'], 'threshold', 1);
  if (threshold > keyids.length) throw malformed('threshold', 'at most the number of keys');
  return { keyids, threshold };
}

function readDelegations(value: CanonicalJson): NonNullable<TargetsMetadata['delegations']> {
  const delegations = readObject(value, 'delegations');
  if ('succinct_roles' in delegations) throw unsupportedDelegation();
  const keys = readKeys(delegations['keys']);
  const roles = readArray(delegations['roles'], 'roles', (item) => readDelegation(readObject(item, 'A role'), keys));
  requireUnique(roles.map(({ name }) => name));
  if (roles.length > 32) throw malformed('roles', 'at most 32 delegations, the limit of clients');
  return { keys, roles };
}

function readDelegation(role: JsonObject, keys: Readonly<Record<string, TufKey>>): Delegation {
  if ('path_hash_prefixes' in role) throw unsupportedDelegation();
  const name = readString(role['name'], 'name');
  if (!isDelegatedRoleName(name)) throw malformed('The name of a role', 'of lower-case letters, digits and "-"');
  const paths = readArray(role['paths'], 'paths', (path) => readString(path, 'A path'));
  if (!paths.every(isPathPattern)) throw malformed('A path', 'a flat name with "*" or "?"');
  return { name, ...readRoleKeys(role, keys), paths, terminating: readBoolean(role['terminating'], 'terminating') };
}

function readMetaFile(value: unknown): MetaFile {
  const file = readObject(value, 'A file');
  return {
    version: readCount(file['version'], 'version', 1),
    ...(file['length'] === undefined ? {} : { length: readCount(file['length'], 'length', 1) }),
    ...(file['hashes'] === undefined ? {} : { hashes: readHashes(file['hashes']) }),
  };
}

function readTargetFile(value: unknown): TargetFile {
  const file = readObject(value, 'A target');
  return { length: readCount(file['length'], 'length', 0), hashes: readHashes(file['hashes']) };
}

/** Other hashes may stand beside SHA-256, never instead of it. */
function readHashes(value: unknown): { readonly sha256: string } {
  const sha256 = readString(readObject(value, 'hashes')['sha256'], 'sha256');
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw malformed('sha256', '64 lower-case hexadecimal digits');
  return { sha256 };
}

function readKeyId(value: unknown): string {
  const keyid = readString(value, 'keyid');
  if (!/^[0-9a-f]{64}$/.test(keyid)) throw malformed('keyid', '64 lower-case hexadecimal digits');
  return keyid;
}

function requireUnique(names: readonly string[]): void {
  if (new Set(names).size !== names.length) throw malformed('A list of keys or roles', 'without duplicates');
}

function unsupportedDelegation(): TufFault {
  return new TufFault('tuf/unsupported', 'Only delegations by paths are supported.');
}
