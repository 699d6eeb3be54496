import { encodeBase64, encodeBase64Url } from '@margo-trust/bytes';
import { describeAnchor } from '@margo-trust/policy';
import { CONTENT, encodeJsonPayload } from '@margo-trust/statement';
import { makeOwnCa, makeOwnLeaf, type TestVendor } from '@margo-trust/testkit';
import { describe, expect, it } from 'vitest';
import { AdmissionReplay, GovernanceReplay, LogCheck, readGovernanceSeen, type ReplayReport } from '../src/index.ts';
import { idOf, WorldLog } from './world-log.ts';

/** Replays `log` beside `first`, which goes on whenever an entry says so. */
function replay(log: WorldLog, first: WorldLog): ReplayReport {
  const governance = new GovernanceReplay(first.key); // read to its end, as far as other entries rest on it and beyond
  const rows = [...first.bundles()].flatMap((bundle) => new LogCheck(first.origin).add(bundle));
  const [checked, again] = [new LogCheck(log.origin), new AdmissionReplay(log.key, governance)];
  for (const bundle of log.bundles()) {
    for (const row of checked.add(bundle)) {
      const seen = readGovernanceSeen(row);
      while (seen && governance.size < seen.size && governance.size < BigInt(rows.length)) {
        governance.add(rows[Number(governance.size)]!);
      }
      again.add([row]);
    }
  }
  while (governance.size < BigInt(rows.length)) governance.add(rows[Number(governance.size)]!);
  return again.conclude();
}

const code = (name: string) => expect.objectContaining({ code: `audit/${name}` }) as Error;
const seenOf = (log: WorldLog) => ({ origin: log.origin, rows: [...log.rows], root: log.root() });

describe('a log that is not the first', () => {
  function world(): { first: WorldLog; other: WorldLog } {
    const first = new WorldLog();
    return { first, other: new WorldLog(first) };
  }

  it('is decided by what the first log says at the place that its entries rest on', () => {
    const { first, other } = world();
    const acme = first.admit('acme');
    other.rest(seenOf(first));
    other.publish(acme);
    first.record('vendor-suspended', `vendor:${idOf('acme')}`, { vendor: idOf('acme'), reason: 'x' }, idOf('acme'));
    other.publish(acme); // committed before the suspension, as the log says
    first.record('vendor-reinstated', `vendor:${idOf('acme')}`, { vendor: idOf('acme') }, idOf('acme'));
    other.rest(seenOf(first));
    other.publish(acme);
    expect(replay(other, first)).toEqual({ admissions: 3, records: 4, raw: 0, erased: 0, policies: 1 });
  });

  it('may lack a statement that the first log says is withheld, whichever log was asked', () => {
    const { first, other } = world();
    const acme = first.admit('acme');
    other.rest(seenOf(first));
    other.publish(acme);
    const { body: _, ...row } = other.rows.at(-1)!;
    other.rows[other.rows.length - 1] = { ...row, kind: 'erased', chain: [] };
    expect(() => replay(other, first)).toThrow(code('unexplained-erasure'));
    const entry = encodeBase64Url(row.entry);
    const members = { vendor: acme.id, entry, index: '3', approvals: 2, reason: 'x', log: other.origin };
    first.record('statement-erased', `statement:${entry}`, members, acme.id);
    expect(replay(other, first)).toMatchObject({ admissions: 0, erased: 1 });
  });

  describe('with a vendor’s own CA, which is registered in the first log', () => {
    const ca = makeOwnCa();

    /** EntryID of the record. */
    function register(first: WorldLog, acme: TestVendor): string {
      const anchor = {
        ...({
          purpose: 'artifact-signing',
          vendorId: acme.id,
          vendorUri: acme.uri,
          certificate: ca.certificate,
        } as const),
        claims: { applicationIdPrefixes: [], ociNamespaces: ['registry.example/acme'] },
        subject: { C: 'DE', ST: 'Hessen', O: `Vendor ${acme.id}` },
        ...{ validFrom: first.now, validUntil: first.world.later(86_400) },
      };
      const { record, ...members } = describeAnchor(anchor, { at: first.now, approvals: 2 }) as { record: string };
      first.record(record, `vendor:${acme.id}`, members, acme.id);
      return encodeBase64Url(first.rows.at(-1)!.entry);
    }

    function signerOf(acme: TestVendor): TestVendor {
      const { key, certificate } = makeOwnLeaf(ca, { subject: { organization: `Vendor ${acme.id}` } });
      return { ...acme, key, certificate, chain: [certificate.der, ca.certificate.der] };
    }

    it('goes by the registrations at the place that its entries rest on', () => {
      const { first, other } = world();
      const acme = first.admit('acme');
      const anchor = register(first, acme);
      other.rest(seenOf(first));
      first.record('anchor-withdrawn', `vendor:${acme.id}`, { vendor: acme.id, anchor }, acme.id);
      other.publish(signerOf(acme)); // committed before the withdrawal, as the log says
      expect(replay(other, first)).toMatchObject({ admissions: 1 });
      other.rest(seenOf(first));
      other.publish(signerOf(acme));
      expect(() => replay(other, first)).toThrow(/x509\/no-path/);
    });
  });

  it.each<[string, string, (first: WorldLog, other: WorldLog) => void]>([
    [
      'wrong-admission',
      'of a vendor that was suspended at that place',
      (first, other) => {
        const acme = first.admit('acme');
        first.record('vendor-suspended', `vendor:${idOf('acme')}`, { vendor: idOf('acme'), reason: 'x' }, idOf('acme'));
        other.rest(seenOf(first));
        other.publish(acme);
      },
    ],
    [
      'wrong-admission',
      'of a vendor that was admitted after that place',
      (first, other) => {
        other.rest(seenOf(first));
        other.publish(first.admit('acme'));
      },
    ],
    ['wrong-admission', 'that rests on nothing', (first, other) => other.publish(first.admit('acme'))],
    [
      'wrong-admission',
      'that rests on less than the one before',
      (first, other) => {
        const before = seenOf(first);
        first.admit('acme');
        other.rest(seenOf(first));
        other.rest(before);
      },
    ],
    [
      'wrong-admission',
      'that rests on more than there is',
      (first, other) => other.rest(seenOf(first), { size: String(first.rows.length + 1) }),
    ],
    ['wrong-admission', 'that rests on no size', (first, other) => other.rest(seenOf(first), { size: '-1' })],
    [
      'wrong-admission',
      'that rests on another log',
      (first, other) => other.rest(seenOf(first), { log: 'log.elsewhere' }),
    ],
    [
      'fork',
      'that rests on another tree of the first log',
      (first, other) => other.rest(seenOf(first), { root: encodeBase64(new Uint8Array(32)) }),
    ],
    [
      'wrong-admission',
      'with a vendor admitted here',
      (first, other) => {
        other.rest(seenOf(first));
        other.admit('acme');
      },
    ],
    [
      'after-freeze',
      'after its own end',
      (first, other) => {
        const payload = { record: 'log-frozen', at: other.now.toISOString(), log: other.origin, approvals: 2 };
        other.own(`log:${other.origin}`, CONTENT.record, encodeJsonPayload(payload));
        other.rest(seenOf(first));
      },
    ],
  ])('is refused with %s for an entry %s', (name, _, tell) => {
    const { first, other } = world();
    tell(first, other);
    expect(() => replay(other, first)).toThrow(code(name));
  });

  it('is not replayed alone, and the first one needs no other', () => {
    const { first, other } = world();
    const alone = new AdmissionReplay(other.key);
    expect(() => alone.add(new LogCheck(other.origin).add([...other.bundles()][0]!))).toThrow(code('wrong-genesis'));
    const twice = new AdmissionReplay(first.key, new GovernanceReplay(first.key));
    expect(() => twice.add(new LogCheck(first.origin).add([...first.bundles()][0]!))).toThrow(code('wrong-genesis'));
  });
});

describe('the first log', () => {
  const own = (log: WorldLog, record: string, origin: string, members: object = {}) =>
    log.own(
      `log:${origin}`,
      CONTENT.record,
      encodeJsonPayload({ record, at: log.now.toISOString(), log: origin, approvals: 2, ...members }),
    );
  const alone = (log: WorldLog) => {
    const [checked, again] = [new LogCheck(log.origin), new AdmissionReplay(log.key)];
    for (const bundle of log.bundles()) again.add(checked.add(bundle));
    return again.conclude();
  };

  it('says what was done to others, and goes on', () => {
    const log = new WorldLog();
    for (const record of ['log-opened', 'log-frozen', 'log-retired']) own(log, record, `other.${log.origin}`);
    log.publish(log.admit('acme'));
    expect(alone(log)).toMatchObject({ admissions: 1, records: 7 });
  });

  it('takes records after it was closed, and no statement', () => {
    const log = new WorldLog();
    const acme = log.admit('acme');
    own(log, 'log-closed', log.origin);
    log.admit('zeta');
    expect(alone(log)).toMatchObject({ admissions: 0 });
    log.publish(acme);
    expect(() => alone(log)).toThrow(code('after-freeze'));
  });

  it.each([
    ['log-opened', 'other', { approvals: 1 }],
    ['log-retired', 'other', { approvals: 1 }],
    ['log-closed', 'own', { approvals: 1 }],
    ['log-closed', 'other', {}],
  ])('refuses %s of its %s by %j', (record, whose, members) => {
    const log = new WorldLog();
    own(log, record, whose === 'own' ? log.origin : `other.${log.origin}`, members);
    expect(() => alone(log)).toThrow(code('wrong-admission'));
  });

  it('rests on nothing else', () => {
    const log = new WorldLog();
    log.rest(seenOf(log));
    expect(() => alone(log)).toThrow(code('wrong-admission'));
  });
});
