import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  describeTarget,
  draftTargets,
  openTufSnapshot,
  parseTargets,
  TufFault,
  vouchedTargets,
  type ExpiryPolicy,
  type TufFileSet,
} from '@margo-trust/tuf';
import { LATER, makeSigner, NOW, Simulator, signMetadata, text } from './simulator.ts';

const POLICY: ExpiryPolicy = { now: NOW, expired: 'refuse' };

function bundle(repository: Simulator): TufFileSet {
  return {
    initialRoot: repository.initialRoot,
    roots: [...repository.files].filter(([path]) => path.endsWith('.root.json')).map(([, bytes]) => bytes),
    timestamp: repository.current('timestamp'),
    snapshot: repository.current('snapshot'),
    targets: repository.current('targets'),
    delegated: { live: repository.current('live') },
    files: Object.fromEntries(repository.targets),
  };
}

describe('openTufSnapshot', () => {
  const repository = new Simulator();
  repository.rotate('root', [makeSigner('P-256'), makeSigner()]);
  const set = bundle(repository);

  it('opens a set that belongs together, with its targets', () => {
    const snapshot = openTufSnapshot(set, POLICY);
    expect(snapshot.versions).toEqual({ root: 2, timestamp: 1, snapshot: 1, targets: 1, live: 1 });
    expect(snapshot.stale).toBeUndefined();
    expect(snapshot.targetNames).toEqual(['margo.trust-root.v1.json', 'live.revocations.v1.json']);
    expect(snapshot.target('live.revocations.v1.json')).toEqual(text('{"revoked":[]}'));
    expect(snapshot.delegated['live']?.targets).toHaveProperty(['live.revocations.v1.json']);
  });

  it('gives the set to be carried on', () => {
    const { initialRoot, ...rest } = openTufSnapshot(set, POLICY).set;
    expect(openTufSnapshot({ initialRoot, ...rest }, POLICY).versions).toEqual(openTufSnapshot(set, POLICY).versions);
  });

  it('starts from any root in the chain, and ignores those before it', () => {
    const later = openTufSnapshot({ ...set, initialRoot: repository.current('root') }, POLICY);
    expect(later.versions['root']).toBe(2);
    expect(later.set.roots).toHaveLength(1);
  });

  it('reports what has expired when it should', () => {
    const policy: ExpiryPolicy = { now: LATER, expired: 'report' };
    expect(openTufSnapshot(set, policy).stale?.map(({ role }) => role)).toEqual([
      'root',
      'timestamp',
      'snapshot',
      'targets',
      'live',
    ]);
  });

  it.each([
    { what: 'expired', code: 'tuf/expired', open: () => openTufSnapshot(set, { now: LATER, expired: 'refuse' }) },
    {
      what: 'another root',
      code: 'tuf/threshold-not-met',
      open: () => openTufSnapshot({ ...set, initialRoot: new Simulator().initialRoot }, POLICY),
    },
    {
      what: 'no delegated file',
      code: 'tuf/missing-metadata',
      open: () => openTufSnapshot({ ...set, delegated: {} }, POLICY),
    },
    {
      what: 'an unknown target',
      code: 'tuf/unknown-target',
      open: () => openTufSnapshot(set, POLICY).target('constructor'),
    },
    {
      what: 'a target left out',
      code: 'tuf/missing-target',
      open: () => openTufSnapshot({ ...set, files: {} }, POLICY).target('margo.trust-root.v1.json'),
    },
    {
      what: 'another target',
      code: 'tuf/hash-mismatch',
      open: () =>
        openTufSnapshot({ ...set, files: { 'margo.trust-root.v1.json': text('{"anchors":[1]}') } }, POLICY).target(
          'margo.trust-root.v1.json',
        ),
    },
  ])('refuses $what', ({ code, open }) => {
    expect(open).toThrow(expect.objectContaining({ code }));
  });

  it('refuses any set in which a bit of a signed part has flipped', () => {
    const parts = ['initialRoot', 'timestamp', 'snapshot', 'targets', 'live'] as const;
    fc.assert(
      fc.property(fc.constantFrom(...parts), fc.nat(), fc.integer({ min: 0, max: 6 }), (part, at, bit) => {
        const good = part === 'live' ? repository.current('live') : set[part];
        // The envelope's own letters and the signatures come first; damage there may leave enough signatures.
        const start = Buffer.from(good).indexOf('"signed":');
        const bytes = Uint8Array.from(good);
        bytes[start + (at % (good.length - start))]! ^= 1 << bit;
        const broken = part === 'live' ? { ...set, delegated: { live: bytes } } : { ...set, [part]: bytes };
        expect(() => openTufSnapshot(broken, POLICY)).toThrow(TufFault);
      }),
      { numRuns: 120 },
    );
  });
});

describe('vouchedTargets', () => {
  const signer = makeSigner();
  const file = (content: string) => describeTarget(text(content));
  const targetsOf = (
    files: Record<string, Uint8Array>,
    ...delegations: [name: string, path: string, terminating: boolean][]
  ) =>
    parseTargets(
      signMetadata(
        draftTargets({
          version: 1,
          expires: LATER,
          files,
          delegations: delegations.map(([name, path, terminating]) => ({
            name,
            keys: [signer.key],
            threshold: 1,
            paths: [path],
            terminating,
          })),
        }),
        [signer],
      ),
    );

  it('lets the top level speak before its delegates, and each only about its paths', () => {
    const targets = targetsOf({ 'a.1': text('top') }, ['one', 'a.*', false]);
    const delegated = new Map([['one', targetsOf({ 'a.1': text('one'), 'a.2': text('one'), 'b.1': text('one') })]]);
    expect(vouchedTargets({ targets, delegated })).toEqual(
      new Map([
        ['a.1', file('top')],
        ['a.2', file('one')],
      ]),
    );
  });

  it('asks the delegates in order, and nobody after a terminating one about its paths', () => {
    const targets = targetsOf({}, ['one', 'a.1*', false], ['two', 'a.*', true], ['three', '*', false]);
    const delegated = new Map([
      ['one', targetsOf({ 'a.1': text('one') })],
      ['two', targetsOf({ 'a.1': text('two'), 'a.2': text('two') })],
      ['three', targetsOf({ 'a.3': text('three'), 'b.1': text('three') })],
    ]);
    expect(vouchedTargets({ targets, delegated })).toEqual(
      new Map([
        ['a.1', file('one')],
        ['a.2', file('two')],
        ['b.1', file('three')],
      ]),
    );
  });
});
