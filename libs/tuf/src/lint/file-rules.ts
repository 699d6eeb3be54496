import { Fault } from '@margo-trust/fault';
import { isAscii, type CanonicalJson } from '../canonical-json.ts';
import { findPublicKey, tufKeyId, type TufKey } from '../key.ts';
import { MAX_BYTES, TOP_LEVEL_ROLES } from '../metadata.ts';
import { isDelegatedRoleName, isPathPattern, isTargetName } from '../names.ts';
import { parseTufTime } from '../time.ts';
import { asArray, asObject, keyTables, roleTables, strangers, type LintDocument } from './document.ts';

/** The clients whose common ground a repository has to keep to. */
export type TufClient = 'tuf-js' | 'python-tuf' | 'go-tuf' | 'tough';

/** One thing that some client does not accept, though the specification may. `check` yields what is wrong. */
export interface FileRule {
  readonly rule: string;
  readonly breaks: readonly TufClient[];
  readonly check: (document: LintDocument) => Iterable<string>;
}

export const EVERY_CLIENT: readonly TufClient[] = ['tuf-js', 'python-tuf', 'go-tuf', 'tough'];

export const FILE_RULES: readonly FileRule[] = [
  {
    // JavaScript sorts members by UTF-16 unit and Python by code point; tough normalises to NFC before it hashes.
    rule: 'ascii',
    breaks: EVERY_CLIENT,
    check: function* ({ envelope }) {
      for (const text of strings(envelope)) if (!isAscii(text)) yield `"${text}" is not ASCII.`;
    },
  },
  {
    // Canonical JSON has no fractions, and doubles lose integers beyond 2^53.
    rule: 'whole-numbers',
    breaks: EVERY_CLIENT,
    check: function* ({ envelope }) {
      for (const number of numbers(envelope))
        if (!Number.isSafeInteger(number)) yield `${number} is not a whole number.`;
    },
  },
  {
    rule: 'spec-version',
    breaks: EVERY_CLIENT,
    check: function* ({ signed }) {
      const version = String(signed['spec_version']);
      if (!/^1\.\d+\.\d+$/.test(version)) yield `spec_version ${version} is not 1.x.y.`;
    },
  },
  {
    // python-tuf reads no milliseconds and no offset.
    rule: 'expires',
    breaks: ['python-tuf'],
    check: function* ({ signed }) {
      if (isFault(() => parseTufTime(String(signed['expires'])))) yield 'expires is not written YYYY-MM-DDTHH:MM:SSZ.';
    },
  },
  {
    // tough recomputes the id over all members of the key and refuses another.
    rule: 'key-id',
    breaks: ['tough'],
    check: function* (document) {
      for (const [id, key] of keyTables(document).flatMap(Object.entries)) {
        if (keyIdOf(key) !== id) yield `Key ${id.slice(0, 8)}… has another id.`;
      }
    },
  },
  {
    // Clients differ on what a member they don't know does to the key id.
    rule: 'key-members',
    breaks: ['tough'],
    check: function* (document) {
      for (const key of keyTables(document).flatMap(Object.values).map(asObject)) {
        const extra = [
          ...strangers(key, 'keytype', 'scheme', 'keyval'),
          ...strangers(asObject(key['keyval']), 'public'),
        ];
        for (const name of extra) yield `A key has the member ${name}.`;
      }
    },
  },
  {
    // tuf-js hashes for every ECDSA key with SHA-256, tough has no P-384, and a PEM of Ed25519 fails in Python and Go.
    rule: 'key-type',
    breaks: EVERY_CLIENT,
    check: function* (document) {
      for (const [id, key] of keyTables(document).flatMap(Object.entries)) {
        if (!isUsableKey(key)) yield `Key ${id.slice(0, 8)}… is neither Ed25519 (hexadecimal) nor P-256 (PEM).`;
      }
    },
  },
  {
    // go-tuf fails on a key that is missing; a threshold beyond the keys can't be met by anybody.
    rule: 'role-keys',
    breaks: ['go-tuf'],
    check: function* (document) {
      for (const { name, role, keys } of roleTables(document)) {
        const ids = asArray(role['keyids']).map(String);
        for (const id of ids) if (!Object.hasOwn(keys, id)) yield `Role ${name} names a key that is not listed.`;
        if (new Set(ids).size !== ids.length) yield `Role ${name} names a key twice.`;
        const threshold = Number(role['threshold']);
        if (!(threshold >= 1 && threshold <= ids.length)) yield `The threshold of role ${name} can't be met.`;
      }
    },
  },
  {
    rule: 'signatures',
    breaks: EVERY_CLIENT,
    check: function* ({ envelope }) {
      const signatures = asArray(envelope['signatures']).map(asObject);
      const ids = signatures.map(({ keyid }) => String(keyid));
      if (ids.length === 0) yield 'There is no signature.';
      if (new Set(ids).size !== ids.length) yield 'A key id signs twice.';
      if (!signatures.every(({ sig }) => /^([0-9a-f]{2})+$/.test(String(sig))))
        yield 'A signature is not lower-case hex.';
    },
  },
  {
    // An unknown role name is a parse error in tough.
    rule: 'root-roles',
    breaks: ['tough'],
    check: function* ({ signed }) {
      if (signed['_type'] !== 'root') return;
      const roles = asObject(signed['roles']);
      for (const name of strangers(roles, ...TOP_LEVEL_ROLES)) yield `The root role lists the role ${name}.`;
      for (const name of TOP_LEVEL_ROLES)
        if (!Object.hasOwn(roles, name)) yield `The root role lacks the role ${name}.`;
    },
  },
  {
    rule: 'consistent-snapshot',
    breaks: EVERY_CLIENT,
    check: function* ({ signed }) {
      if (signed['_type'] === 'root' && signed['consistent_snapshot'] !== true)
        yield 'consistent_snapshot is not true.';
    },
  },
  {
    // Only a declared length bounds a download, and go-tuf picks any one of several hashes for a path.
    rule: 'file-entries',
    breaks: ['go-tuf'],
    check: function* ({ signed }) {
      for (const [name, entry] of Object.entries(asObject(signed['meta']))) {
        if (!Object.hasOwn(asObject(entry), 'version')) yield `${name} has no version.`;
        yield* checkLengthAndHash(name, entry);
      }
      for (const [name, entry] of Object.entries(asObject(signed['targets']))) yield* checkLengthAndHash(name, entry);
    },
  },
  {
    // tough puts the hash before the whole name, the others before its last segment; minimatch skips dot files.
    rule: 'flat-names',
    breaks: ['tough', 'tuf-js'],
    check: function* ({ signed }) {
      for (const name of Object.keys(asObject(signed['targets'])))
        if (!isTargetName(name)) yield `Target ${name} is not flat.`;
    },
  },
  {
    // tough loses an empty object on the way, and with it the signature.
    rule: 'empty-custom',
    breaks: ['tough'],
    check: function* ({ signed }) {
      for (const [name, entry] of Object.entries(asObject(signed['targets']))) {
        const { custom } = asObject(entry);
        if (custom !== undefined && Object.keys(asObject(custom)).length === 0)
          yield `Target ${name} has an empty custom.`;
      }
    },
  },
  {
    // tuf-js takes time quadratic in the number of targets: 500 need 18 ms, 10,000 need a minute.
    rule: 'target-count',
    breaks: ['tuf-js'],
    check: function* ({ signed }) {
      const count = Object.keys(asObject(signed['targets'])).length;
      if (count > 500) yield `${count} targets in one role are more than 500.`;
    },
  },
  {
    // Succinct roles are unknown to tough, hash prefixes broken in go-tuf; tough drops members it does not know.
    rule: 'delegation-members',
    breaks: ['tough', 'go-tuf'],
    check: function* ({ signed }) {
      const delegations = asObject(signed['delegations']);
      for (const name of strangers(delegations, 'keys', 'roles')) yield `delegations has the member ${name}.`;
      for (const item of asArray(delegations['roles'])) {
        const role = asObject(item);
        const extra = strangers(role, 'name', 'keyids', 'threshold', 'terminating', 'paths');
        for (const name of extra) yield `Delegation ${String(role['name'])} has the member ${name}.`;
        if (typeof role['terminating'] !== 'boolean') yield `Delegation ${String(role['name'])} lacks terminating.`;
      }
    },
  },
  {
    // Numbers as names are reordered by JavaScript, %2F is decoded by servers, and ** means more to minimatch.
    rule: 'delegation-names',
    breaks: ['tuf-js', 'tough'],
    check: function* ({ signed }) {
      const roles = asArray(asObject(signed['delegations'])['roles']).map(asObject);
      const names = roles.map(({ name }) => String(name));
      if (new Set(names).size !== names.length) yield 'A role is delegated to twice.';
      for (const name of names)
        if (!isDelegatedRoleName(name)) yield `Role ${name} should be of lower-case letters, digits and "-".`;
      for (const path of roles.flatMap(({ paths }) => asArray(paths)).map(String)) {
        if (!isPathPattern(path)) yield `Path ${path} is not read alike by all clients.`;
      }
    },
  },
  {
    // tuf-js, go-tuf and python-tuf follow 32 delegations for a target; tough loads every one at the start.
    rule: 'delegation-count',
    breaks: ['tuf-js', 'go-tuf', 'python-tuf'],
    check: function* ({ signed }) {
      if (asArray(asObject(signed['delegations'])['roles']).length > 32) yield 'There are more than 32 delegations.';
    },
  },
  {
    rule: 'size',
    breaks: ['tuf-js', 'python-tuf', 'go-tuf'],
    check: function* ({ signed, bytes }) {
      const limit = Object.entries(MAX_BYTES).find(([type]) => type === signed['_type'])?.[1];
      if (limit !== undefined && bytes.length > limit) yield `${bytes.length} bytes are more than ${limit}.`;
    },
  },
];

function* checkLengthAndHash(name: string, value: CanonicalJson): Iterable<string> {
  const entry = asObject(value);
  if (!Object.hasOwn(entry, 'length')) yield `${name} has no length.`;
  if (Object.keys(asObject(entry['hashes'])).join() !== 'sha256') yield `${name} has not exactly the hash sha256.`;
}

function keyIdOf(key: CanonicalJson): string | undefined {
  try {
    return tufKeyId(key as TufKey); // any JSON value has an id; what is in it does not matter
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

function isUsableKey(value: CanonicalJson): boolean {
  const { keytype, scheme, keyval } = asObject(value);
  const publicText = asObject(keyval)['public'];
  if (typeof keytype !== 'string' || typeof scheme !== 'string' || typeof publicText !== 'string') return false;
  return findPublicKey({ keytype, scheme, keyval: { public: publicText } }) !== undefined;
}

function isFault(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (error) {
    if (error instanceof Fault) return true;
    throw error;
  }
}

function* strings(value: CanonicalJson): Iterable<string> {
  if (typeof value === 'string') yield value;
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    yield name;
    yield* strings(member as CanonicalJson);
  }
}

function* numbers(value: CanonicalJson): Iterable<number> {
  if (typeof value === 'number') yield value;
  if (typeof value !== 'object' || value === null) return;
  for (const member of Object.values(value)) yield* numbers(member as CanonicalJson);
}
