import { describe, expect, it } from 'vitest';
import {
  draftSnapshot,
  draftTargets,
  draftTimestamp,
  metadataPath,
  openTargets,
  refreshTuf,
  type ExpiryPolicy,
  type TrustedMetadata,
} from '@margo-trust/tuf';
import { LATER, makeSigner, NOW, signMetadata, Simulator, text } from './simulator.ts';

const REFUSE: ExpiryPolicy = { now: NOW, expired: 'refuse' };

/** A device that keeps what it accepted, as the client does on disk. */
class Device {
  readonly kept = new Map<string, Uint8Array>();
  readonly asked: string[] = [];
  readonly initialRoot: Uint8Array;

  constructor(repository: Simulator) {
    this.initialRoot = repository.initialRoot;
  }

  update(files: ReadonlyMap<string, Uint8Array>, policy = REFUSE): TrustedMetadata {
    this.asked.length = 0;
    let timestamp: Uint8Array | undefined;
    const refresh = refreshTuf({ initialRoot: this.initialRoot, kept: this.kept }, policy);
    let step = refresh.next();
    while (!step.done) {
      if (step.value.kind === 'forget') {
        for (const path of this.kept.keys()) if (/timestamp|snapshot/.test(path)) this.kept.delete(path);
        step = refresh.next();
        continue;
      }
      const { path } = step.value;
      this.asked.push(path);
      const bytes = files.get(path);
      step = refresh.next(bytes);
      if (bytes && path === 'timestamp.json') timestamp = bytes;
      else if (bytes) this.kept.set(path, bytes);
    }
    // The timestamp comes last, so that what was kept before stays whole until everything is there.
    if (timestamp) this.kept.set('timestamp.json', timestamp);
    return step.value;
  }
}

const code = (code: string) => expect.objectContaining({ code });

describe('a device that updates', () => {
  it('asks a new repository for every role once', () => {
    const repository = new Simulator();
    const device = new Device(repository);
    const trusted = device.update(repository.files);
    expect(device.asked).toEqual(['2.root.json', 'timestamp.json', '1.snapshot.json', '1.targets.json', '1.live.json']);
    expect(openTargets(trusted, {}).versions).toEqual({ root: 1, timestamp: 1, snapshot: 1, targets: 1, live: 1 });
  });

  it('asks an unchanged repository for the timestamp only', () => {
    const repository = new Simulator();
    const device = new Device(repository);
    device.update(repository.files);
    device.update(repository.files);
    expect(device.asked).toEqual(['2.root.json', 'timestamp.json']);
  });

  it('asks a changed repository for what changed', () => {
    const repository = new Simulator();
    const device = new Device(repository);
    device.update(repository.files);
    repository.publishNext();
    device.update(repository.files);
    expect(device.asked).toEqual(['2.root.json', 'timestamp.json', '2.snapshot.json', '2.live.json']);
  });

  it('follows rotations of every role, through roots that have long expired', () => {
    const repository = new Simulator();
    const device = new Device(repository);
    repository.roles.root.expires = new Date('2020-01-01T00:00:00Z');
    repository.rotate('root', [makeSigner('P-256'), makeSigner()], 2);
    for (const role of ['timestamp', 'snapshot', 'targets'] as const) repository.rotate(role, [makeSigner()], 1);
    repository.roles.root.expires = LATER;
    repository.rotate('root', [makeSigner(), ...repository.roles.root.signers], 3);
    repository.publish();
    expect(device.update(repository.files).roots).toHaveLength(6);
  });

  it('stops after 256 new roots and goes on next time', () => {
    const repository = new Simulator();
    const device = new Device(repository);
    for (let i = 0; i < 256; i++) repository.rotate('root', repository.roles.root.signers);
    repository.rotate('timestamp', [makeSigner()]);
    repository.publish();
    expect(() => device.update(repository.files)).toThrow(code('tuf/threshold-not-met'));
    expect(device.update(repository.files).root.signed.version).toBe(258);
  });

  it('recovers from a version that nothing could exceed, once the online keys are replaced', () => {
    const repository = new Simulator();
    const device = new Device(repository);
    repository.roles.timestamp.version = repository.roles.snapshot.version = Number.MAX_SAFE_INTEGER;
    repository.publish();
    device.update(repository.files);
    repository.roles.timestamp.version = repository.roles.snapshot.version = 2;
    repository.publish();
    expect(() => device.update(repository.files)).toThrow(code('tuf/rollback'));

    repository.rotate('snapshot', [makeSigner()]);
    repository.publish();
    expect(openTargets(device.update(repository.files), {}).versions).toMatchObject({ timestamp: 2, snapshot: 2 });
  });

  it('recovers even if it is cut off right after it learned of the new keys', () => {
    const repository = new Simulator();
    const device = new Device(repository);
    repository.roles.timestamp.version = 1_000_000;
    repository.publish();
    device.update(repository.files);
    repository.roles.timestamp.version = 2;
    // The old key may still sign: only the rotation tells that what was kept is to be forgotten.
    repository.rotate('timestamp', [...repository.roles.timestamp.signers, makeSigner()]);
    repository.publish();
    const cutOff = new Map([...repository.files].filter(([path]) => path.endsWith('root.json')));
    expect(() => device.update(cutOff)).toThrow(code('tuf/missing-metadata'));
    expect(device.update(repository.files).timestamp.signed.version).toBe(2);
  });

  it('remembers past versions though the kept timestamp is lost', () => {
    const repository = new Simulator();
    const device = new Device(repository);
    const old = new Map(repository.files);
    repository.publishNext();
    device.update(repository.files);
    device.kept.delete('timestamp.json');
    expect(() => device.update(old)).toThrow(code('tuf/rollback'));
  });

  it('fetches again whatever is damaged', () => {
    const repository = new Simulator();
    const device = new Device(repository);
    repository.rotate('targets', repository.roles.targets.signers);
    device.update(repository.files);
    const good = new Map(device.kept);
    for (const path of good.keys()) {
      device.kept.set(path, text('{}'));
      device.update(repository.files);
      expect(device.kept).toEqual(good);
    }
  });

  it('reports what has expired, or refuses it', () => {
    const repository = new Simulator();
    const expires = (repository.roles.live.expires = repository.roles.timestamp.expires = NOW);
    repository.publish();
    expect(() => new Device(repository).update(repository.files)).toThrow(code('tuf/expired'));
    const trusted = new Device(repository).update(repository.files, { now: NOW, expired: 'report' });
    expect(trusted.stale).toEqual([
      { role: 'timestamp', expires },
      { role: 'live', expires },
    ]);
    const before = new Date(+NOW - 1);
    expect(new Device(repository).update(repository.files, { now: before, expired: 'refuse' }).stale).toEqual([]);
  });
});

interface Attack {
  what: string;
  code: string;
  /** What the attacker serves to a device that has seen everything published before. */
  serve: (repository: Simulator) => ReadonlyMap<string, Uint8Array>;
}

/** Everything as it is, except what is given. */
function replace(repository: Simulator, files: Record<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  return new Map([...repository.files, ...Object.entries(files)]);
}

/** A timestamp over a snapshot of the attacker's making, signed with the online key. */
function timestampOver(repository: Simulator, snapshot: Uint8Array): Record<string, Uint8Array> {
  const { version, signers } = repository.roles.timestamp;
  const signed = draftTimestamp({ version, expires: LATER, snapshot });
  return { 'timestamp.json': signMetadata(signed, signers) };
}

/** Everything online, over roles' files of the attacker's making. */
function publishOver(repository: Simulator, roles: Record<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  const { snapshot, timestamp, live } = repository.roles;
  snapshot.version++;
  timestamp.version++;
  const bytes = signMetadata(draftSnapshot({ version: snapshot.version, expires: LATER, roles }), snapshot.signers);
  return replace(repository, {
    ...timestampOver(repository, bytes),
    [metadataPath('snapshot', snapshot.version)]: bytes,
    ...(roles['live'] ? { [metadataPath('live', live.version)]: roles['live'] } : {}),
  });
}

const ATTACKS: Attack[] = [
  {
    what: 'rollback: yesterday’s timestamp',
    code: 'tuf/rollback',
    serve: (repository) => {
      repository.roles.timestamp.version = 4;
      repository.publish();
      return repository.files;
    },
  },
  {
    what: 'rollback: a new timestamp over an old snapshot',
    code: 'tuf/rollback',
    serve: (repository) => {
      repository.roles.timestamp.version++;
      repository.roles.snapshot.version--;
      repository.publish();
      return repository.files;
    },
  },
  {
    what: 'rollback: a new snapshot over old targets',
    code: 'tuf/rollback',
    serve: (repository) => {
      repository.roles.timestamp.version++;
      repository.roles.snapshot.version++;
      repository.roles.live.version--;
      repository.publish();
      return repository.files;
    },
  },
  {
    what: 'rollback: a snapshot that a role vanished from',
    code: 'tuf/rollback',
    serve: (repository) => publishOver(repository, { targets: repository.current('targets') }),
  },
  {
    what: 'freeze: a timestamp that has expired',
    code: 'tuf/expired',
    serve: (repository) => {
      repository.roles.timestamp.version++;
      repository.roles.timestamp.expires = NOW;
      repository.publish();
      return repository.files;
    },
  },
  {
    what: 'freeze: a root that has expired',
    code: 'tuf/expired',
    serve: (repository) => {
      repository.roles.root.expires = NOW;
      repository.rotate('root', repository.roles.root.signers);
      return repository.files;
    },
  },
  {
    what: 'mix and match: targets of another moment',
    code: 'tuf/hash-mismatch',
    serve: (repository) => {
      repository.publishNext();
      return replace(repository, { [metadataPath('live', 6)]: repository.file('5.live.json') });
    },
  },
  {
    what: 'mix and match: a snapshot of another moment',
    code: 'tuf/hash-mismatch',
    serve: (repository) => {
      repository.publishNext();
      return replace(repository, { '6.snapshot.json': repository.file('5.snapshot.json') });
    },
  },
  {
    what: 'mix and match: the file of one role as another’s',
    code: 'tuf/malformed',
    serve: (repository) => replace(repository, { 'timestamp.json': repository.file('5.snapshot.json') }),
  },
  {
    what: 'a version the snapshot does not name',
    code: 'tuf/wrong-version',
    serve: (repository) => {
      // Only metadata without lengths and hashes gets as far as the version.
      const { snapshot, timestamp } = repository.roles;
      const meta = { 'targets.json': { version: 1 }, 'live.json': { version: 6 } };
      const draft = { version: ++snapshot.version, expires: LATER, roles: { targets: repository.current('targets') } };
      const bytes = signMetadata({ ...draftSnapshot(draft), meta }, snapshot.signers);
      timestamp.version++;
      return replace(repository, {
        ...timestampOver(repository, bytes),
        '6.snapshot.json': bytes,
        '6.live.json': repository.file('5.live.json'),
      });
    },
  },
  {
    what: 'arbitrary metadata: a timestamp signed by a stranger',
    code: 'tuf/threshold-not-met',
    serve: (repository) => {
      repository.roles.timestamp.signers = [makeSigner()];
      repository.publishNext();
      return repository.files;
    },
  },
  {
    what: 'a stolen online key that signs targets',
    code: 'tuf/threshold-not-met',
    serve: (repository) => {
      repository.roles.targets.signers = repository.roles.snapshot.signers;
      repository.roles.targets.version++;
      repository.publishNext();
      return repository.files;
    },
  },
  {
    what: 'one of two offline keys',
    code: 'tuf/threshold-not-met',
    serve: (repository) => {
      repository.roles.targets.signers.pop();
      repository.roles.targets.version++;
      repository.publishNext();
      return repository.files;
    },
  },
  {
    what: 'a delegated role signed by a stranger',
    code: 'tuf/threshold-not-met',
    serve: (repository) => {
      const forged = draftTargets({ version: ++repository.roles.live.version, expires: LATER, files: {} });
      return publishOver(repository, {
        targets: repository.current('targets'),
        live: signMetadata(forged, [makeSigner()]),
      });
    },
  },
  {
    what: 'a delegated role that delegates further',
    code: 'tuf/unsupported',
    serve: (repository) => {
      const { live } = repository.roles;
      const forged = draftTargets({
        version: ++live.version,
        expires: LATER,
        files: {},
        delegations: [{ name: 'deep', keys: [makeSigner().key], threshold: 1, paths: ['live.*'] }],
      });
      return publishOver(repository, {
        targets: repository.current('targets'),
        live: signMetadata(forged, live.signers),
      });
    },
  },
  {
    what: 'a root signed by its own new keys only',
    code: 'tuf/threshold-not-met',
    serve: (repository) => {
      repository.roles.root.signers = [makeSigner(), makeSigner()];
      repository.roles.root.version++;
      repository.publishRoot();
      return repository.files;
    },
  },
  {
    what: 'a root signed by the old keys only',
    code: 'tuf/threshold-not-met',
    serve: (repository) => {
      const old = repository.roles.root.signers;
      repository.roles.root.version++;
      repository.roles.root.signers = [makeSigner(), makeSigner()];
      return replace(repository, { '2.root.json': signMetadata(repository.draftRoot(), old) });
    },
  },
  {
    what: 'a root that skips a version',
    code: 'tuf/wrong-version',
    serve: (repository) => {
      repository.roles.root.version += 2;
      repository.publishRoot();
      return replace(repository, { '2.root.json': repository.file('3.root.json') });
    },
  },
  {
    what: 'the same root again as the next one',
    code: 'tuf/wrong-version',
    serve: (repository) => replace(repository, { '2.root.json': repository.initialRoot }),
  },
  {
    what: 'endless data: a timestamp without end',
    code: 'tuf/too-large',
    serve: (repository) => replace(repository, { 'timestamp.json': new Uint8Array(20_000) }),
  },
  {
    what: 'endless data: a root without end',
    code: 'tuf/too-large',
    serve: (repository) => replace(repository, { '2.root.json': new Uint8Array(600_000) }),
  },
  {
    what: 'endless data: a snapshot longer than declared',
    code: 'tuf/hash-mismatch',
    serve: (repository) => {
      repository.publishNext();
      const bytes = Buffer.concat([repository.file('6.snapshot.json'), Buffer.alloc(100, ' ')]);
      return replace(repository, { '6.snapshot.json': bytes });
    },
  },
  {
    what: 'withholding: no timestamp',
    code: 'tuf/missing-metadata',
    serve: () => new Map(),
  },
  {
    what: 'withholding: a listed file is missing',
    code: 'tuf/missing-metadata',
    serve: (repository) => {
      repository.publishNext();
      repository.files.delete('6.live.json');
      return repository.files;
    },
  },
];

describe('an attacker on the way or with an online key', () => {
  it.each(ATTACKS)('gets nowhere with $what', ({ code: expected, serve }) => {
    const repository = new Simulator();
    const device = new Device(repository);
    for (const role of ['timestamp', 'snapshot', 'live'] as const) repository.roles[role].version = 5;
    repository.publish();
    device.update(repository.files);

    expect(() => device.update(serve(repository))).toThrow(code(expected));

    // What was kept is still a whole repository.
    const offline = new Device(repository).update(device.kept, { now: NOW, expired: 'report' });
    expect(openTargets(offline, {}).versions).toMatchObject({ timestamp: 5, snapshot: 5, live: 5, targets: 1 });
  });
});
