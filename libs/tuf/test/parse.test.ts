import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeTufTime,
  isDelegatedRoleName,
  isPathPattern,
  matchesPattern,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  parseTufTime,
  TufFault,
} from '@margo-trust/tuf';
import { Simulator, text } from './simulator.ts';

const repository = new Simulator();
const PARSERS = { root: parseRoot, timestamp: parseTimestamp, snapshot: parseSnapshot, targets: parseTargets };
type Role = keyof typeof PARSERS;
const ROLES = Object.keys(PARSERS) as Role[];

/** The current file of a role after a change to its JSON. */
function changed(role: Role, change: (file: any) => void): Uint8Array {
  const file: unknown = JSON.parse(Buffer.from(repository.current(role)).toString());
  change(file);
  return text(JSON.stringify(file));
}

describe('parsing metadata', () => {
  it.each(ROLES)('reads what the writer wrote: %s', (role) => {
    const parsed = PARSERS[role](repository.current(role));
    expect(parsed.signed).toMatchObject({ _type: role, version: 1, spec_version: '1.0.31' });
    expect(parsed.expires).toEqual(repository.roles[role].expires);
  });

  it('keeps members it does not know in the signed bytes', () => {
    const parsed = parseTimestamp(changed('timestamp', (file) => (file.signed['x-new'] = 'later')));
    expect(Buffer.from(parsed.signedBytes).toString()).toContain('"x-new":"later"');
    expect(parsed.signed).not.toHaveProperty('x-new');
  });

  it('gives dictionaries that hold nothing but what was written', () => {
    expect(parseTargets(repository.current('targets')).signed.targets['constructor']).toBeUndefined();
  });

  const someKey = (file: any) => Object.values<any>(file.signed.keys)[0];
  it.each<{ what: string; role: Role; code: string; change: (file: any) => void }>([
    { what: 'another type', role: 'root', code: 'tuf/malformed', change: (f) => (f.signed._type = 'targets') },
    { what: 'version 0', role: 'root', code: 'tuf/malformed', change: (f) => (f.signed.version = 0) },
    { what: 'a version as text', role: 'root', code: 'tuf/malformed', change: (f) => (f.signed.version = '1') },
    { what: 'a fraction', role: 'root', code: 'tuf/not-canonical', change: (f) => (f.signed.x = 1.5) },
    { what: 'text beyond ASCII', role: 'root', code: 'tuf/not-canonical', change: (f) => (f.signed.x = 'é') },
    {
      what: 'specification 2',
      role: 'root',
      code: 'tuf/unsupported',
      change: (f) => (f.signed.spec_version = '2.0.0'),
    },
    {
      what: 'milliseconds',
      role: 'root',
      code: 'tuf/malformed',
      change: (f) => (f.signed.expires = '2030-01-01T00:00:00.000Z'),
    },
    {
      what: 'inconsistent snapshots',
      role: 'root',
      code: 'tuf/unsupported',
      change: (f) => (f.signed.consistent_snapshot = false),
    },
    { what: 'a key under another id', role: 'root', code: 'tuf/bad-key', change: (f) => (someKey(f)['x-a'] = 1) },
    {
      what: 'a fifth role',
      role: 'root',
      code: 'tuf/malformed',
      change: (f) => (f.signed.roles.mirrors = f.signed.roles.root),
    },
    { what: 'a missing role', role: 'root', code: 'tuf/malformed', change: (f) => delete f.signed.roles.snapshot },
    {
      what: 'a role with unknown keys',
      role: 'root',
      code: 'tuf/malformed',
      change: (f) => f.signed.roles.root.keyids.push('0'.repeat(64)),
    },
    {
      what: 'a role with a key twice',
      role: 'root',
      code: 'tuf/malformed',
      change: (f) => f.signed.roles.root.keyids.push(f.signed.roles.root.keyids[0]),
    },
    { what: 'threshold 0', role: 'root', code: 'tuf/malformed', change: (f) => (f.signed.roles.root.threshold = 0) },
    {
      what: 'a threshold beyond its keys',
      role: 'root',
      code: 'tuf/malformed',
      change: (f) => (f.signed.roles.root.threshold = 4),
    },
    {
      what: 'a key id that signs twice',
      role: 'root',
      code: 'tuf/malformed',
      change: (f) => f.signatures.push(f.signatures[0]),
    },
    {
      what: 'a signature in upper case',
      role: 'root',
      code: 'tuf/malformed',
      change: (f) => (f.signatures[0].sig = 'AB'),
    },
    {
      what: 'a timestamp about more',
      role: 'timestamp',
      code: 'tuf/malformed',
      change: (f) => (f.signed.meta['root.json'] = { version: 1 }),
    },
    {
      what: 'a snapshot without targets',
      role: 'snapshot',
      code: 'tuf/malformed',
      change: (f) => delete f.signed.meta['targets.json'],
    },
    {
      what: 'a snapshot that lists a path',
      role: 'snapshot',
      code: 'tuf/malformed',
      change: (f) => (f.signed.meta['../x.json'] = { version: 1 }),
    },
    {
      what: 'a snapshot without SHA-256',
      role: 'snapshot',
      code: 'tuf/malformed',
      change: (f) => (f.signed.meta['live.json'].hashes = { md5: '00' }),
    },
    {
      what: 'a target in a folder',
      role: 'targets',
      code: 'tuf/malformed',
      change: (f) => (f.signed.targets['a/b'] = f.signed.targets['margo.trust-root.v1.json']),
    },
    {
      what: 'a target above',
      role: 'targets',
      code: 'tuf/malformed',
      change: (f) => (f.signed.targets['..'] = f.signed.targets['margo.trust-root.v1.json']),
    },
    {
      what: 'a target without length',
      role: 'targets',
      code: 'tuf/malformed',
      change: (f) => delete f.signed.targets['margo.trust-root.v1.json'].length,
    },
    {
      what: 'hash prefixes',
      role: 'targets',
      code: 'tuf/unsupported',
      change: (f) => (f.signed.delegations.roles[0].path_hash_prefixes = ['00']),
    },
    {
      what: 'succinct roles',
      role: 'targets',
      code: 'tuf/unsupported',
      change: (f) => (f.signed.delegations.succinct_roles = {}),
    },
    {
      what: 'a delegation to root',
      role: 'targets',
      code: 'tuf/malformed',
      change: (f) => (f.signed.delegations.roles[0].name = 'root'),
    },
    {
      what: 'a path with **',
      role: 'targets',
      code: 'tuf/malformed',
      change: (f) => (f.signed.delegations.roles[0].paths = ['**']),
    },
    {
      what: 'a role delegated to twice',
      role: 'targets',
      code: 'tuf/malformed',
      change: (f) => f.signed.delegations.roles.push(f.signed.delegations.roles[0]),
    },
  ])('refuses $what', ({ role, code, change }) => {
    expect(() => PARSERS[role](changed(role, change))).toThrow(expect.objectContaining({ code }));
  });

  it.each(ROLES)('refuses a %s file beyond its limit before it reads it', (role) => {
    const limit = { root: 512_000, timestamp: 16_384, snapshot: 2_000_000, targets: 5_000_000 }[role];
    expect(() => PARSERS[role](new Uint8Array(limit + 1))).toThrow(expect.objectContaining({ code: 'tuf/too-large' }));
  });

  it('turns any damage into a value or a TufFault', () => {
    const damage = fc.record({
      role: fc.constantFrom(...ROLES),
      at: fc.nat(),
      with: fc.uint8Array({ maxLength: 4 }),
      cut: fc.nat(8),
    });
    fc.assert(
      fc.property(damage, ({ role, at, with: replacement, cut }) => {
        const good = repository.current(role);
        const from = at % good.length;
        const bytes = Buffer.concat([good.subarray(0, from), replacement, good.subarray(from + cut)]);
        expect(isValueOrFault(() => PARSERS[role](bytes))).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('turns any JSON into a value or a TufFault', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ROLES), fc.json(), fc.jsonValue(), (role, json, part) => {
        expect(isValueOrFault(() => PARSERS[role](text(json)))).toBe(true);
        const members = ['keys', 'roles', 'meta', 'targets', 'delegations', 'expires', 'version'];
        for (const member of members) {
          const bytes = changed(role, (file) => (file.signed[member] = part));
          expect(isValueOrFault(() => PARSERS[role](bytes))).toBe(true);
        }
      }),
    );
  });
});

describe('times', () => {
  it('are written without milliseconds', () => {
    expect(encodeTufTime(new Date('2026-11-25T12:00:00.999Z'))).toBe('2026-11-25T12:00:00Z');
  });

  it.each(['2026-02-31T00:00:00Z', '2026-11-25T24:00:00Z', '2026-11-25T12:00:00+00:00', '2026-11-25', ''])(
    'refuse %j',
    (time) => {
      expect(() => parseTufTime(time)).toThrow(TufFault);
    },
  );

  it('have years of four digits', () => {
    expect(() => encodeTufTime(new Date(8.64e15))).toThrow(TufFault);
  });
});

describe('names', () => {
  it.each(['live', 'a1', '1a', 'on-call'])('of delegated roles may be %s', (name) => {
    expect(isDelegatedRoleName(name)).toBe(true);
  });

  it.each(['targets', '12', '', 'Live', 'a/b', 'a.b', 'a%2Fb', 'a'.repeat(65)])(
    'of delegated roles may not be %j',
    (name) => {
      expect(isDelegatedRoleName(name)).toBe(false);
    },
  );

  it.each(['**', '[ab]', '{a,b}', '!a', '#a', 'a/*', '.x', ''])('are not covered by the pattern %j', (pattern) => {
    expect(isPathPattern(pattern)).toBe(false);
  });

  it('match globs as regular expressions would', () => {
    const letters = (unit: string) => fc.string({ unit: fc.constantFrom(...unit), maxLength: 8 });
    fc.assert(
      fc.property(letters('ab*?'), letters('ab'), (pattern, name) => {
        const reference = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
        expect(matchesPattern(pattern, name)).toBe(reference.test(name));
      }),
    );
  });
});

function isValueOrFault(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    if (error instanceof TufFault) return true;
    throw error;
  }
}
