import { areEqualBytes, encodeBase64, encodeHex, parseBase64, parseHex, parseJson } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { encodeSortedJson } from './canonical-json.ts';
import { TufFault } from './fault.ts';
import { findPublicKey, tufKeyId, type TufKey } from './key.ts';
import type { RootMetadata, TargetsMetadata, TopLevelRole, TufSignature } from './metadata.ts';
import { malformed, readArray, readCount, readDictionary, readObject, readString } from './shape.ts';
import { encodeTufTime, parseTufTime } from './time.ts';
import { assembleMetadata, draftRoot, draftTargets, type RoleDescription } from './write.ts';

/*
 * The first ceremony of a repository, as two kinds of files that people carry: what is to be signed, and the signatures of one key.
 * Nobody is told what to sign: both sides derive root and targets from the plan, so that a plan and what its signatures cover cannot differ.
 */

/** What the first ceremony is about: public keys and files alone, so that the private keys may be on other machines. */
export interface CeremonyPlan {
  /** Public keys and thresholds; those of `live` are delegated to by the targets role. No key serves two of them. */
  readonly roles: Readonly<Record<TopLevelRole | 'live', RoleDescription>>;
  /** What grants trust, by target name. */
  readonly files: Readonly<Record<string, Uint8Array>>;
  /** In whole seconds. */
  readonly now: Date;
}

/** The signed parts of the first ceremony, for whoever holds the keys of the root and the targets role. */
export interface CeremonyDraft {
  readonly root: RootMetadata;
  readonly targets: TargetsMetadata;
}

/** The roles whose keys sign in a ceremony. */
export type CeremonyRole = keyof CeremonyDraft;

/** What one key signs of a ceremony: the plan, by SHA-256 of its file in hex, and a signature for each role that it has. */
export interface CeremonySignatures {
  readonly planSha256: string;
  readonly signatures: Readonly<Partial<Record<CeremonyRole, TufSignature>>>;
}

export const CEREMONY_ROLES: readonly CeremonyRole[] = ['root', 'targets'];

/** Of the root and the targets role: long enough to get people into a room, short enough that they have done it before. */
export const OFFLINE_LIFETIME_MS = 365 * 24 * 3_600_000;

const MAX_PLAN_BYTES = 8 << 20;
const PLAN = 'margo.ceremony-plan.v1';
const SIGNATURES = 'margo.ceremony-signatures.v1';
const ALL_ROLES = ['root', 'timestamp', 'snapshot', 'targets', 'live'] as const;

/** What a ceremony has to sign. */
export function draftCeremony({ roles: { live, ...roles }, files, now }: CeremonyPlan): CeremonyDraft {
  const dated = { version: 1, expires: new Date(now.getTime() + OFFLINE_LIFETIME_MS) };
  return {
    root: draftRoot({ ...dated, roles }),
    targets: draftTargets({ ...dated, files, delegations: [{ name: 'live', paths: ['live.*'], ...live }] }),
  };
}

/**
 * The metadata files with whatever signatures there are of keys that have the role, each key's once. Whether they are valid and
 * enough is for `verifyThreshold`.
 */
export function assembleCeremony(
  plan: CeremonyPlan,
  signed: readonly CeremonySignatures[],
): Readonly<Record<CeremonyRole, Uint8Array>> {
  const draft = draftCeremony(plan);
  const signaturesOf = (role: CeremonyRole) => {
    const known = new Set(plan.roles[role].keys.map(tufKeyId));
    const found = signed.flatMap(({ signatures: { [role]: one } }) => (one && known.has(one.keyid) ? [one] : []));
    return [...new Map(found.map((one) => [one.keyid, one])).values()];
  };
  return {
    root: assembleMetadata(draft.root, signaturesOf('root')),
    targets: assembleMetadata(draft.targets, signaturesOf('targets')),
  };
}

/** The plan as a file, always the same bytes. Faults with tuf/bad-key where a key serves twice. */
export function encodeCeremonyPlan(plan: CeremonyPlan): Uint8Array {
  const { roles, files, now } = plan;
  refuseSharedKeys(plan);
  return encodeSortedJson({
    type: PLAN,
    at: encodeTufTime(now),
    roles: Object.fromEntries(
      ALL_ROLES.map((role) => [role, { keys: [...roles[role].keys], threshold: roles[role].threshold }]),
    ),
    files: Object.fromEntries(Object.entries(files).map(([name, body]) => [name, encodeBase64(body)])),
  });
}

/**
 * Reads a plan of at most 8 MiB, in exactly the form that {@link encodeCeremonyPlan} writes, so that its hash says all about it.
 * Faults with tuf/malformed, tuf/too-large or tuf/bad-key, and with those of the parser where no client would read what it leads to.
 */
export function parseCeremonyPlan(bytes: Uint8Array): CeremonyPlan {
  const json = readDocument(bytes, PLAN);
  const roles = readDictionary(json['roles'], 'roles', readRole);
  if (Object.keys(roles).sort().join() !== [...ALL_ROLES].sort().join()) throw malformed('roles', ALL_ROLES.join(', '));
  const plan = {
    roles: roles as CeremonyPlan['roles'],
    files: readDictionary(json['files'], 'files', (file, name) => readFile(file, name)),
    now: parseTufTime(readString(json['at'], 'at')),
  };
  if (!areEqualBytes(encodeCeremonyPlan(plan), bytes)) throw malformed('A plan', 'sorted, and without anything else');
  assembleCeremony(plan, []);
  return plan;
}

export function encodeCeremonySignatures({ planSha256, signatures }: CeremonySignatures): Uint8Array {
  const roles = CEREMONY_ROLES.flatMap((role) => {
    const one = signatures[role];
    return one ? [[role, { keyid: one.keyid, sig: one.sig }] as const] : [];
  });
  return encodeSortedJson({ type: SIGNATURES, plan: planSha256, signatures: Object.fromEntries(roles) });
}

/** Faults with tuf/malformed or tuf/too-large. */
export function parseCeremonySignatures(bytes: Uint8Array): CeremonySignatures {
  const json = readDocument(bytes, SIGNATURES);
  const signatures = readDictionary(json['signatures'], 'signatures', (item, role) => {
    if (!CEREMONY_ROLES.some((known) => known === role)) throw malformed('signatures', 'of root and targets');
    const { keyid, sig } = readObject(item, 'A signature');
    return { keyid: readHex(keyid, 'keyid'), sig: readHex(sig, 'sig') };
  });
  return { planSha256: readHex(json['plan'], 'plan'), signatures };
}

/** What a plan is called by those who compare it in two places: SHA-256 of its file, hex. */
export function hashCeremonyPlan(plan: CeremonyPlan): string {
  return encodeHex(sha256(encodeCeremonyPlan(plan)));
}

function refuseSharedKeys({ roles }: CeremonyPlan): void {
  const ids = ALL_ROLES.flatMap((role) => roles[role].keys.map(tufKeyId));
  if (new Set(ids).size < ids.length) {
    throw new TufFault('tuf/bad-key', 'A key is named twice: each has one role, and counts once toward its threshold.');
  }
}

function readDocument(bytes: Uint8Array, type: string) {
  if (bytes.length > MAX_PLAN_BYTES)
    throw new TufFault('tuf/too-large', `The file is longer than ${MAX_PLAN_BYTES} bytes.`);
  let json: unknown;
  try {
    json = parseJson(bytes, { maxBytes: MAX_PLAN_BYTES, maxDepth: 8 });
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new TufFault('tuf/malformed', cause.message, { cause });
  }
  const object = readObject(json, 'The file');
  if (object['type'] !== type) throw malformed('type', type);
  return object;
}

function readRole(value: unknown): RoleDescription {
  const { keys, threshold } = readObject(value, 'A role');
  return {
    threshold: readCount(threshold, 'threshold', 1),
    keys: readArray(keys, 'keys', (item) => {
      const key = readObject(item, 'A key') as TufKey;
      if (!findPublicKey(key)) throw new TufFault('tuf/bad-key', 'A key of the plan is none that clients verify with.');
      return key;
    }),
  };
}

function readFile(value: unknown, name: string): Uint8Array {
  try {
    return parseBase64(readString(value, name));
  } catch (cause) {
    if (!(cause instanceof Fault) || cause instanceof TufFault) throw cause;
    throw malformed(name, 'in base64');
  }
}

function readHex(value: unknown, what: string): string {
  const text = readString(value, what);
  try {
    parseHex(text);
  } catch (cause) {
    if (cause instanceof Fault) throw malformed(what, 'hexadecimal');
    throw cause;
  }
  return text;
}
