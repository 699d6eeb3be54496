import { describe, expect, it } from 'vitest';
import { lintRepository, tufKeyId, type CanonicalJson } from '@margo-trust/tuf';
import { makeSigner, Simulator, text } from './simulator.ts';

/** A repository whose file has been edited by hand, signatures be damned. */
function edited(path: string, edit: (file: any) => void): ReadonlyMap<string, Uint8Array> {
  const repository = new Simulator();
  const file: unknown = JSON.parse(Buffer.from(repository.file(path)).toString());
  edit(file);
  return new Map(repository.files).set(path, text(JSON.stringify(file)));
}

const addKey = (file: any, key: CanonicalJson) => (file.signed.keys[tufKeyId(key as never)] = key);

describe('lintRepository', () => {
  it('has nothing to say about what the writer writes', () => {
    const repository = new Simulator();
    repository.rotate('root', [makeSigner('P-256'), makeSigner()]);
    repository.publishNext();
    expect(lintRepository(repository.files)).toEqual([]);
  });

  it('does not mind that a repository has expired', () => {
    const repository = new Simulator();
    repository.roles.timestamp.expires = new Date('2020-01-01T00:00:00Z');
    repository.publish();
    expect(lintRepository(repository.files)).toEqual([]);
  });

  it.each<{ rule: string; path: string; edit: (file: any) => void }>([
    { rule: 'ascii', path: '1.live.json', edit: (f) => (f.signed['ä'] = 1) },
    { rule: 'whole-numbers', path: '1.live.json', edit: (f) => (f.signed.x = 0.5) },
    { rule: 'spec-version', path: '1.live.json', edit: (f) => (f.signed.spec_version = '1.0') },
    { rule: 'expires', path: '1.live.json', edit: (f) => (f.signed.expires = '2030-01-01T00:00:00.000Z') },
    { rule: 'key-id', path: '1.root.json', edit: (f) => (f.signed.keys['0'.repeat(64)] = makeSigner().key) },
    { rule: 'key-members', path: '1.root.json', edit: (f) => addKey(f, { ...makeSigner().key, 'x-owner': 'alice' }) },
    {
      rule: 'key-type',
      path: '1.root.json',
      edit: (f) => addKey(f, { keytype: 'rsa', scheme: 'rsassa-pss-sha256', keyval: { public: '' } }),
    },
    { rule: 'role-keys', path: '1.root.json', edit: (f) => (f.signed.roles.root.threshold = 9) },
    { rule: 'role-keys', path: '1.root.json', edit: (f) => f.signed.roles.root.keyids.push('0'.repeat(64)) },
    { rule: 'signatures', path: '1.live.json', edit: (f) => f.signatures.push(f.signatures[0]) },
    { rule: 'signatures', path: '1.live.json', edit: (f) => (f.signatures = []) },
    { rule: 'root-roles', path: '1.root.json', edit: (f) => (f.signed.roles.mirrors = f.signed.roles.root) },
    { rule: 'consistent-snapshot', path: '1.root.json', edit: (f) => (f.signed.consistent_snapshot = false) },
    { rule: 'file-entries', path: '1.snapshot.json', edit: (f) => delete f.signed.meta['live.json'].length },
    {
      rule: 'file-entries',
      path: '1.live.json',
      edit: (f) => (Object.values<any>(f.signed.targets)[0].hashes.sha512 = '00'),
    },
    {
      rule: 'flat-names',
      path: '1.live.json',
      edit: (f) => (f.signed.targets['a/b'] = Object.values(f.signed.targets)[0]),
    },
    { rule: 'empty-custom', path: '1.live.json', edit: (f) => (Object.values<any>(f.signed.targets)[0].custom = {}) },
    {
      rule: 'target-count',
      path: '1.live.json',
      edit: (f) => {
        for (let i = 0; i <= 500; i++) f.signed.targets[`live.${i}`] = {};
      },
    },
    {
      rule: 'delegation-members',
      path: '1.targets.json',
      edit: (f) => (f.signed.delegations.roles[0].path_hash_prefixes = ['00']),
    },
    { rule: 'delegation-members', path: '1.targets.json', edit: (f) => (f.signed.delegations.succinct_roles = {}) },
    { rule: 'delegation-names', path: '1.targets.json', edit: (f) => (f.signed.delegations.roles[0].name = '7') },
    { rule: 'delegation-names', path: '1.targets.json', edit: (f) => (f.signed.delegations.roles[0].paths = ['**']) },
    {
      rule: 'delegation-count',
      path: '1.targets.json',
      edit: (f) => {
        const { roles } = f.signed.delegations;
        while (roles.length <= 32) roles.push(roles[0]);
      },
    },
    { rule: 'size', path: 'timestamp.json', edit: (f) => (f.signed.x = ' '.repeat(17_000)) },
    { rule: 'names', path: '1.live.json', edit: (f) => (f.signed.version = 2) },
    { rule: 'names', path: '1.live.json', edit: (f) => (f.signed._type = 'root') },
    { rule: 'update', path: '1.live.json', edit: (f) => (f.signed.x = 1) },
  ])('finds $rule', ({ rule, path, edit }) => {
    expect(lintRepository(edited(path, edit))).toContainEqual(expect.objectContaining({ rule, path }));
  });

  it('finds what is not JSON', () => {
    const files = new Map(new Simulator().files).set('1.live.json', text('<!doctype html>'));
    expect(lintRepository(files)).toContainEqual(expect.objectContaining({ rule: 'json', path: '1.live.json' }));
  });

  it('finds a missing root version', () => {
    const repository = new Simulator();
    repository.rotate('live', repository.roles.live.signers);
    repository.rotate('live', repository.roles.live.signers);
    repository.files.delete('2.root.json');
    expect(lintRepository(repository.files)).toContainEqual(
      expect.objectContaining({ rule: 'names', path: '2.root.json' }),
    );
  });

  it('finds a role that vanished from the snapshot', () => {
    const repository = new Simulator();
    repository.publishNext();
    const file = JSON.parse(Buffer.from(repository.file('2.snapshot.json')).toString());
    delete file.signed.meta['live.json'];
    repository.files.set('2.snapshot.json', text(JSON.stringify(file)));
    expect(lintRepository(repository.files)).toContainEqual(
      expect.objectContaining({ rule: 'snapshot-keeps-roles', path: '2.snapshot.json' }),
    );
  });

  it('finds targets that are missing, changed, or covered by no delegation', () => {
    const repository = new Simulator();
    repository.delegation = { paths: ['live.crl.*'] };
    repository.targets.set('live.crl.root.0.crl', text('crl'));
    repository.publish();
    const [crl] = [...repository.files.keys()].filter((path) => path.endsWith('.crl'));
    const [anchors] = [...repository.files.keys()].filter((path) => path.endsWith('margo.trust-root.v1.json'));
    repository.files.set(crl!, text('other'));
    repository.files.delete(anchors!);
    expect(lintRepository(repository.files).map(({ rule, path, message }) => [rule, path, message])).toEqual([
      ['update', anchors, 'The file of a target is missing.'],
      ['update', crl, 'The file is not the target that was signed for.'],
      ['update', '1.live.json', 'No delegation covers live.revocations.v1.json.'],
    ]);
  });
});
