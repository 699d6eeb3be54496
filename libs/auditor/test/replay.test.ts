import { randomBytes } from 'node:crypto';
import { encodeBase64, encodeBase64Url, encodeHex, encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { openMlDsa44, verifyMlDsa44 } from '@margo-trust/crypto/ml-dsa';
import { encodeRegistrationPolicy, FOUNDING_POLICY } from '@margo-trust/policy';
import { CONTENT, encodeJsonPayload } from '@margo-trust/statement';
import { makeKey, TEST_WORKLOAD, World, type TestVendor } from '@margo-trust/testkit';
import { encodeNote, ML_DSA_44_COSIGNATURE, parseNote, verifierKeySpki } from '@margo-trust/tlog';
import { describe, expect, it } from 'vitest';
import { AdmissionReplay, LogCheck, type ReplayReport } from '../src/index.ts';
import { idOf, WorldLog } from './world-log.ts';

function replay(log: WorldLog): ReplayReport {
  const [checked, again] = [new LogCheck(log.world.origin), new AdmissionReplay(log.key)];
  for (const bundle of log.bundles()) again.add(checked.add(bundle));
  return again.conclude();
}

const code = (name: string) => expect.objectContaining({ code: `audit/${name}` }) as Error;
const releasesOnly = {
  ...FOUNDING_POLICY,
  version: 2,
  statements: FOUNDING_POLICY.statements.filter(({ contentType }) => contentType === CONTENT.release),
};
const policy = (log: WorldLog, document: typeof FOUNDING_POLICY, at?: Date) =>
  log.own(`policy:${log.world.origin}`, CONTENT.policy, encodeRegistrationPolicy(document), {}, at);

describe('AdmissionReplay', () => {
  it('decides as an honest registry did, through suspensions, revocations and new policies', () => {
    const log = new WorldLog();
    const [acme, zeta] = [log.admit('acme'), log.admit('zeta')];
    log.publish(acme);
    log.record('vendor-suspended', `vendor:${idOf('acme')}`, { vendor: idOf('acme'), reason: 'Test.' }, idOf('acme'));
    log.publish(zeta);
    log.record('vendor-reinstated', `vendor:${idOf('acme')}`, { vendor: idOf('acme') }, idOf('acme'));
    log.publish(acme);
    log.revoke(acme, 'superseded');
    log.revoke(acme, 'keyCompromise');
    policy(log, { ...FOUNDING_POLICY, version: 2 });
    log.publish(zeta);
    log.record('tuf-published', 'tuf:timestamp:2', { roles: {} }, undefined as unknown as string);
    expect(replay(log)).toEqual({ admissions: 4, records: 12, raw: 0, erased: 0, policies: 2 });
  });

  describe('of decisions about the log itself', () => {
    const own = (log: WorldLog, record: string, subject: string, members: object) =>
      log.own(
        `${subject}:${log.world.origin}`,
        CONTENT.record,
        encodeJsonPayload({ record, at: log.now.toISOString(), log: log.world.origin, approvals: 2, ...members }),
      );
    const rotate = (log: WorldLog, members: object = {}) =>
      own(log, 'log-key', 'log-key', {
        purpose: 'receipt',
        key: encodeBase64(makeKey('P-256').publicKey.spki),
        replaces: encodeBase64(log.world.keys.receipt.publicKey.spki),
        fromSize: String(log.rows.length + 2),
        ...members,
      });

    it('follows a key that is replaced', () => {
      const log = new WorldLog();
      rotate(log);
      log.publish(log.admit('acme'));
      expect(replay(log).admissions).toBe(1);
      const [checked, again] = [new LogCheck(log.world.origin), new AdmissionReplay(log.key)];
      for (const bundle of log.bundles()) again.add(checked.add(bundle));
      expect(again.logKeys?.receiptKeys.map(({ fromSize, untilSize }) => [fromSize, untilSize])).toEqual([
        [undefined, 4n],
        [4n, undefined],
      ]);
    });

    it.each([
      ['by one member', { approvals: 1 }],
      ['from another size on', { fromSize: '3' }],
      ['that does not sign', { replaces: encodeBase64(makeKey('P-256').publicKey.spki) }],
      ['of another log', { log: 'log.elsewhere' }],
      ['by what is no key', { key: 'AAAA' }],
    ])('refuses a key that is replaced %s', (_, members) => {
      const log = new WorldLog();
      rotate(log, members);
      expect(() => replay(log)).toThrow(code('wrong-admission'));
    });

    describe('an ML-DSA-44 key, which a log may begin without', () => {
      const spki = () =>
        verifierKeySpki({ type: ML_DSA_44_COSIGNATURE, publicKey: openMlDsa44(randomBytes(32)).publicKey });
      const [first, second] = [spki(), spki()].map(encodeBase64) as [string, string];
      const purpose = 'checkpoint-ml-dsa-44';
      const begin = (log: WorldLog, key = first) => rotate(log, { purpose, key, replaces: undefined });
      const historyOf = (log: WorldLog) => {
        const [checked, again] = [new LogCheck(log.world.origin), new AdmissionReplay(log.key)];
        for (const bundle of log.bundles()) again.add(checked.add(bundle));
        return again.logKeys!;
      };

      it('is followed from the record that began it, and its signatures must hold', () => {
        const log = new WorldLog();
        begin(log);
        log.admit('acme');
        rotate(log, { purpose, key: second, replaces: first });
        const { mlDsa44Keys } = historyOf(log);
        expect(mlDsa44Keys.map(({ fromSize, untilSize }) => [fromSize, untilSize])).toEqual([
          [4n, 7n],
          [7n, undefined],
        ]);
        expect(mlDsa44Keys.map(({ key }) => encodeBase64(verifierKeySpki(key)))).toEqual([first, second]);
        const note = parseNote(log.checkpoint());
        const own = { name: log.origin, keyHash: mlDsa44Keys[0]!.key.keyHash, signature: new Uint8Array(2428) };
        const forged = encodeNote({ ...note, signatures: [...note.signatures, own] });
        expect(historyOf(log).verify(log.checkpoint(), verifyMlDsa44).size).toBe(6n);
        expect(() => historyOf(log).verify(forged, verifyMlDsa44)).toThrow(code('bad-checkpoint'));
      });

      it.each<[string, (log: WorldLog) => void]>([
        ['begins beside another', (log) => [begin(log), begin(log, second)]],
        ['replaces one that was never there', (log) => rotate(log, { purpose, key: second, replaces: first })],
        ['is of another kind', (log) => begin(log, encodeBase64(verifierKeySpki(log.key)))],
        [
          'goes on as the Ed25519 key',
          (log) => rotate(log, { purpose: 'checkpoint', key: first, replaces: encodeBase64(verifierKeySpki(log.key)) }),
        ],
      ])('is refused when it %s', (_, write) => {
        const log = new WorldLog();
        write(log);
        expect(() => replay(log)).toThrow(code('wrong-admission'));
      });

      it('is the only one that may begin later', () => {
        const log = new WorldLog();
        rotate(log, { replaces: undefined });
        expect(() => replay(log)).toThrow(code('wrong-admission'));
      });
    });

    it('refuses a record under a record key that was replaced', () => {
      const log = new WorldLog();
      rotate(log, { purpose: 'record', replaces: encodeBase64(log.world.keys.record.publicKey.spki) });
      log.admit('acme'); // still signed with the key before
      expect(() => replay(log)).toThrow(code('wrong-signature'));
    });

    it('refuses an entry after the record that froze the log', () => {
      const log = new WorldLog();
      own(log, 'log-frozen', 'log', {});
      expect(replay(log).records).toBe(3);
      log.admit('acme');
      expect(() => replay(log)).toThrow(code('after-freeze'));
    });
  });

  it.each<[string, RegExp, string, (log: WorldLog) => void]>([
    [
      'wrong-admission',
      /namespace-not-claimed/,
      'of a vendor that claims what it was not granted',
      (log) => log.publish(log.admit('acme'), 'registry.example/other/app:1'),
    ],
    [
      'wrong-admission',
      /unknown-vendor/,
      'of a vendor that nobody admitted',
      (log) => log.publish(log.world.vendor(idOf('ghast'))),
    ],
    [
      'wrong-admission',
      /vendor-not-active/,
      'of a suspended vendor',
      (log) => {
        const acme = log.admit('acme');
        log.record('vendor-suspended', `vendor:${idOf('acme')}`, { vendor: idOf('acme') }, idOf('acme'));
        log.publish(acme);
      },
    ],
    [
      'wrong-admission',
      /certificate-revoked/,
      'with a revoked certificate',
      (log) => {
        const acme = log.admit('acme');
        log.revoke(acme, 'superseded');
        log.publish(acme);
      },
    ],
    [
      'wrong-admission',
      /x509/,
      'with a certificate of somebody else',
      (log) => {
        log.admit('acme');
        log.publish(new World().vendor(idOf('acme')));
      },
    ],
    [
      'wrong-admission',
      /content-type-refused/,
      'that the policy no longer admits',
      (log) => {
        const acme = log.admit('acme');
        policy(log, releasesOnly);
        log.publish(acme);
      },
    ],
    [
      'back-dated-policy',
      /entry 5 \(version 2\)/,
      'under a policy that was committed later',
      (log) => {
        log.rows.splice(0, 1);
        log.seals.splice(0);
        const [anchors] = log.rows.splice(0);
        log.own('policy', CONTENT.policy, encodeRegistrationPolicy({ ...releasesOnly, version: 1 }));
        log.rows.push(anchors!);
        log.publish(log.admit('acme'));
        policy(log, { ...FOUNDING_POLICY, version: 2 });
        log.reseal();
      },
    ],
    [
      'back-dated-policy',
      /says it was made at/,
      'under a policy that is dated back',
      (log) => {
        log.publish(log.admit('acme'));
        policy(log, { ...FOUNDING_POLICY, version: 2 }, log.world.later(-86_400));
      },
    ],
    [
      'back-dated-policy',
      /version 3, after version 1/,
      'under a policy whose predecessor is not shown',
      (log) => policy(log, { ...FOUNDING_POLICY, version: 3 }),
    ],
    [
      'wrong-facts',
      /shown as of the vendor ".*zeta"/,
      'that is shown as of another vendor',
      (log) => {
        log.admit('zeta');
        log.publish(log.admit('acme'), undefined, { vendorId: idOf('zeta') });
      },
    ],
    [
      'wrong-admission',
      /before it|in front of it/,
      'that is older than the one before',
      (log) => log.publish(log.admit('acme'), undefined, { registeredAt: log.world.now }),
    ],
  ])('finds %s (%s): a statement %s', (name, message, _what, lie) => {
    const log = new WorldLog();
    lie(log);
    const wrong = code(name);
    expect(() => replay(log)).toThrow(wrong);
    expect(() => replay(log)).toThrow(message);
  });

  it.each<[RegExp, string, (log: WorldLog) => void]>([
    [/less than 2 approvals/, 'an admission by one alone', (log) => void log.admit('acme', { approvals: 1 })],
    [
      /a second time/,
      'an admission twice',
      (log) => {
        log.admit('acme');
        log.admit('acme');
      },
    ],
    [
      /overlaps with a claim of .*acme/,
      'a claim that is taken',
      (log) => {
        log.admit('acme');
        log.admit('zeta', { claims: { applicationIdPrefixes: ['com-acme-pump'], ociNamespaces: [] } });
      },
    ],
    [
      /not active/,
      'a certificate for a suspended vendor',
      (log) => {
        const acme = log.admit('acme');
        log.record('vendor-suspended', `vendor:${idOf('acme')}`, { vendor: idOf('acme') }, idOf('acme'));
        log.certify({ ...acme, certificate: log.world.vendor(idOf('acme')).certificate });
      },
    ],
    [/certifies a key a second time/, 'a certificate for a key that has one', (log) => log.certify(log.admit('acme'))],
    [
      /issues a certificate for/,
      'a certificate in the name of another',
      (log) => {
        log.admit('zeta');
        const acme = log.admit('acme');
        log.certify({ ...acme, certificate: log.world.vendor(idOf('acme')).certificate }, idOf('zeta'));
      },
    ],
    [
      /leads to no anchor/,
      'a certificate of another authority',
      (log) => {
        const acme = log.admit('acme');
        log.certify({ ...acme, certificate: new World().vendor(idOf('acme')).certificate });
      },
    ],
    [
      /never issued/,
      'a revocation of what was never issued',
      (log) => log.revoke(log.world.vendor(idOf('acme')), 'superseded'),
    ],
    [
      /trust signatures again/,
      'a revocation that is taken back',
      (log) => {
        const acme = log.admit('acme');
        log.revoke(acme, 'keyCompromise');
        log.revoke(acme, 'superseded');
      },
    ],
    [
      /never admitted/,
      'a suspension of nobody',
      (log) => log.record('vendor-suspended', `vendor:${idOf('x')}`, { vendor: idOf('x') }, idOf('x')),
    ],
    [
      /which is so already/,
      'a reinstatement of an active vendor',
      (log) => {
        log.admit('acme');
        log.record('vendor-reinstated', `vendor:${idOf('acme')}`, { vendor: idOf('acme') }, idOf('acme'));
      },
    ],
  ])('finds %s: %s', (message, _what, lie) => {
    const log = new WorldLog();
    lie(log);
    expect(() => replay(log)).toThrow(code('wrong-admission'));
    expect(() => replay(log)).toThrow(message);
  });

  it('wants a certificate announced before it is issued, for that vendor and key', () => {
    const log = new WorldLog();
    const [acme] = [log.admit('acme'), log.admit('zeta')];
    const next = { ...acme, certificate: log.world.vendor(idOf('acme')).certificate };
    const announce = (vendor: string) => {
      const tbsCertificate = encodeBase64(next.certificate.tbs);
      log.record('certificate-announced', 'precertificate:x', { vendor, tbsCertificate }, vendor);
      return encodeBase64Url(log.rows.at(-1)!.entry);
    };
    log.certify(next, idOf('acme'), { announced: announce(idOf('acme')) });
    expect(replay(log)).toMatchObject({ records: 8 });
    log.rows.pop();
    log.seals.pop();
    log.certify(next, idOf('acme'), { announced: announce(idOf('zeta')) });
    expect(() => replay(log)).toThrow(/not announced before/);
  });

  describe('an OpenPGP key', () => {
    const register = (log: WorldLog, name = 'acme', fingerprint = 'f0'.repeat(20)) => {
      const more = { vendor: idOf(name), fingerprint, keySha256: '00'.repeat(32) };
      log.record('openpgp-key-registered', `vendor:${idOf(name)}`, more, idOf(name));
      return encodeBase64Url(log.rows.at(-1)!.entry);
    };
    const withdraw = (log: WorldLog, registered: string, name = 'acme', fingerprint = 'f0'.repeat(20)) =>
      log.record(
        'openpgp-key-withdrawn',
        `vendor:${idOf(name)}`,
        { vendor: idOf(name), fingerprint, registered },
        idOf(name),
      );

    it('is registered and withdrawn', () => {
      const log = new WorldLog();
      log.admit('acme');
      withdraw(log, register(log));
      register(log, 'acme', 'f1'.repeat(20));
      expect(replay(log)).toMatchObject({ admissions: 0 });
    });

    it.each<[RegExp, string, (log: WorldLog) => void]>([
      [/a second time/, 'registered twice', (log) => [register(log), register(log)]],
      [/a second time/, 'back after it was withdrawn', (log) => [withdraw(log, register(log)), register(log)]],
      [/a second time/, 'of two vendors', (log) => [register(log), register(log, 'zeta')]],
      [/does not have/, 'that another vendor withdraws', (log) => withdraw(log, register(log), 'zeta')],
      [
        /does not have/,
        'withdrawn twice',
        (log) => [register(log)].map((entry) => [withdraw(log, entry), withdraw(log, entry)]),
      ],
      [
        /does not have/,
        'by the entry of another',
        (log) => [register(log), withdraw(log, register(log, 'acme', 'f1'.repeat(20)))],
      ],
      [
        /not active/,
        'of a suspended vendor',
        (log) => {
          log.record('vendor-suspended', `vendor:${idOf('acme')}`, { vendor: idOf('acme') }, idOf('acme'));
          register(log);
        },
      ],
    ])('%s: is refused %s', (reason, _what, write) => {
      const log = new WorldLog();
      log.admit('acme');
      log.admit('zeta');
      write(log);
      expect(() => replay(log)).toThrow(reason);
    });
  });

  describe('a certificate of a build', () => {
    const builds = (log: WorldLog, name: string, lasts = 86_400) =>
      log.world.vendor(idOf(name), {
        ...{ assurance: 'ci', workload: TEST_WORKLOAD },
        ...{ notBefore: log.now, notAfter: new Date(log.now.getTime() + lasts * 1_000) },
      });
    const entryOf = (log: WorldLog) => encodeBase64Url(log.rows.at(-1)!.entry);
    const bind = (log: WorldLog, name = 'acme', change = {}) => {
      const rule = {
        issuer: TEST_WORKLOAD.issuer,
        subject: 'repo:acme/app:ref:refs/heads/main',
        claims: {},
        ...change,
      };
      log.record('workload-bound', `vendor:${idOf(name)}`, { vendor: idOf(name), ...rule }, idOf(name));
      return entryOf(log);
    };
    const unbind = (log: WorldLog, binding: string, name = 'acme') =>
      log.record('workload-unbound', `vendor:${idOf(name)}`, { vendor: idOf(name), binding }, idOf(name));

    it('rests on a binding that is in force, and signs what the log admits', () => {
      const log = new WorldLog();
      log.admit('acme');
      const build = builds(log, 'acme');
      log.certify(build, build.id, { binding: bind(log) });
      log.publish(build);
      expect(replay(log)).toMatchObject({ admissions: 1 });
    });

    it.each<[RegExp, string, (log: WorldLog) => void]>([
      [/by a binding that is not in force/, 'without one', (log) => log.certify(builds(log, 'acme'))],
      [
        /by a binding that is not in force/,
        'after its end',
        (log) => {
          const binding = bind(log);
          unbind(log, binding);
          log.certify(builds(log, 'acme'), idOf('acme'), { binding });
        },
      ],
      [
        /by a binding that is not in force/,
        'of another vendor',
        (log) => log.certify(builds(log, 'acme'), idOf('acme'), { binding: bind(log, 'zeta') }),
      ],
      [
        /which the binding does not mean/,
        'for other builds',
        (log) => {
          const binding = bind(log, 'acme', { subject: 'repo:acme/app:ref:refs/heads/next' });
          log.certify(builds(log, 'acme'), idOf('acme'), { binding });
        },
      ],
      [
        /which the binding does not mean/,
        'for builds of another issuer',
        (log) => {
          const binding = bind(log, 'acme', { issuer: 'https://ci.example' });
          log.certify(builds(log, 'acme'), idOf('acme'), { binding });
        },
      ],
      [
        /for more than a day/,
        'for two days',
        (log) => log.certify(builds(log, 'acme', 86_401), idOf('acme'), { binding: bind(log) }),
      ],
      [/too wide/, 'for builds of anybody', (log) => void bind(log, 'acme', { subject: 'repo:acme/*' })],
      [/does not have/, 'that another vendor ends', (log) => unbind(log, bind(log), 'zeta')],
      [
        /not active/,
        'of a suspended vendor',
        (log) => {
          log.record('vendor-suspended', `vendor:${idOf('acme')}`, { vendor: idOf('acme') }, idOf('acme'));
          bind(log);
        },
      ],
    ])('is found %s: %s', (message, _, lie) => {
      const log = new WorldLog();
      log.admit('acme');
      log.admit('zeta');
      lie(log);
      expect(() => replay(log)).toThrow(code('wrong-admission'));
      expect(() => replay(log)).toThrow(message);
    });
  });

  it.each<[string, RegExp, (log: WorldLog, acme: TestVendor) => void]>([
    [
      'a certificate among several',
      /certificate-revoked/,
      (log, { certificate: { fingerprint } }) => {
        const certificates = [{ fingerprint }, { fingerprint: log.admit('beta').certificate.fingerprint }];
        log.revokeBroadly('certificates', { certificates });
      },
    ],
    [
      'its key',
      /certificate-revoked/,
      (log, { certificate }) => log.revokeBroadly('key', { key: encodeHex(sha256(certificate.spki)) }),
    ],
    ['its issuer', /certificate-revoked/, (log) => log.revokeBroadly('issuer', { issuer: 'issuing-1' })],
    ['the vendor', /vendor-not-active/, (log, { id }) => log.revokeBroadly('vendor', { vendor: id })],
  ])('refuses what was admitted after the revocation of %s', (what, why, revoke) => {
    const log = new WorldLog();
    const [acme, zeta] = [log.admit('acme'), log.admit('zeta')];
    log.publish(acme);
    revoke(log, acme);
    if (what !== 'its issuer') log.publish(zeta);
    expect(replay(log)).toBeDefined();
    log.publish(acme);
    expect(() => replay(log)).toThrow(why);
  });

  it('refuses signatures of a withdrawn artifact, of one vendor or of all', () => {
    const publishing = (scope: object) => {
      const log = new WorldLog();
      const [acme, zeta] = [log.admit('acme'), log.admit('zeta')];
      const digest = `sha256:${'ab'.repeat(32)}`;
      log.revokeBroadly('digest', { digest, ...scope });
      const attempt = (vendor: TestVendor) => {
        log.publish(vendor, undefined, {}, digest);
        return () => replay(log);
      };
      return { attempt, acme, zeta };
    };
    const scoped = publishing({ vendor: idOf('acme') });
    expect(scoped.attempt(scoped.zeta)).not.toThrow();
    expect(scoped.attempt(scoped.acme)).toThrow(/digest-revoked/);
    const all = publishing({});
    expect(all.attempt(all.zeta)).toThrow(/digest-revoked/);
  });

  it('lets a revocation be narrowed by two and not by one', () => {
    for (const approvals of [1, 2]) {
      const log = new WorldLog();
      const acme = log.admit('acme');
      log.revoke(acme, 'keyCompromise');
      const invalidityDate = log.now.toISOString();
      log.revokeBroadly(
        'certificates',
        { certificates: [{ fingerprint: acme.certificate.fingerprint }], vendor: acme.id },
        { invalidityDate, approvals },
      );
      if (approvals === 1) expect(() => replay(log)).toThrow(/trust signatures again/);
      else expect(replay(log)).toMatchObject({ records: 6 });
    }
  });

  it('refuses certificates for a revoked key and under a revoked issuer', () => {
    const byKey = new WorldLog();
    byKey.admit('acme');
    const next = byKey.world.vendor(idOf('acme'));
    byKey.revokeBroadly('key', { key: encodeHex(sha256(next.certificate.spki)) });
    byKey.certify(next);
    expect(() => replay(byKey)).toThrow(/key that is revoked/);

    const byIssuer = new WorldLog();
    byIssuer.revokeBroadly('issuer', { issuer: 'issuing-1' });
    byIssuer.admit('acme');
    expect(() => replay(byIssuer)).toThrow(/issuing-1, which is revoked/);
  });

  it('decides about what Sigstore tools logged by the same rules', () => {
    const log = new WorldLog();
    const acme = log.admit('acme');
    log.pushHashedRekord(acme);
    expect(replay(log)).toMatchObject({ admissions: 0, raw: 1 });
  });

  it.each<[string, RegExp, (log: WorldLog) => void]>([
    [
      'of a vendor that nobody admitted',
      /unknown-vendor/,
      (log) => log.pushHashedRekord(log.world.vendor(idOf('ghast'))),
    ],
    [
      'signed with another key',
      /bad-signature/,
      (log) => log.pushHashedRekord({ ...log.admit('acme'), key: log.world.vendor(idOf('zeta')).key }),
    ],
    [
      'with a revoked certificate',
      /certificate-revoked/,
      (log) => {
        const acme = log.admit('acme');
        log.revoke(acme, 'keyCompromise');
        log.pushHashedRekord(acme);
      },
    ],
    [
      'by an algorithm that the policy does not admit',
      /algorithm-refused/,
      (log) => {
        const acme = log.admit('acme');
        policy(log, { ...FOUNDING_POLICY, version: 2, algorithms: ['ES384'] });
        log.pushHashedRekord(acme);
      },
    ],
    [
      'that is no hashedrekord',
      /neither a statement nor/,
      (log) => {
        log.pushHashedRekord(log.admit('acme'));
        const body = encodeUtf8('{}');
        log.rows[log.rows.length - 1] = { ...log.rows.at(-1)!, body, entry: sha256(body) };
        log.reseal();
      },
    ],
  ])('finds an entry of a Sigstore tool %s', (_, reason, plant) => {
    const log = new WorldLog();
    plant(log);
    expect(() => replay(log)).toThrow(code('wrong-admission'));
    expect(() => replay(log)).toThrow(reason);
  });

  it('believes no record that the registry did not sign', () => {
    const log = new WorldLog();
    log.push(log.world.record('vendor:x', { record: 'vendor-admitted' }, log.world.keys.receipt));
    expect(() => replay(log)).toThrow(code('wrong-signature'));
  });

  const hide = (log: WorldLog, index: number) => {
    const { body: _, ...row } = log.rows[index]!;
    log.rows[index] = { ...row, kind: 'erased', chain: [] };
    return { entry: encodeBase64Url(row.entry), index: String(index), vendor: idOf('acme') };
  };

  it('counts what was erased, and refuses that the registry hides a statement of its own', () => {
    const log = new WorldLog();
    log.publish(log.admit('acme'));
    const erased = hide(log, 4);
    log.record('statement-erased', `statement:${erased.entry}`, { ...erased, approvals: 2 }, idOf('acme'));
    expect(replay(log)).toMatchObject({ admissions: 0, erased: 1 });
    hide(log, 2);
    expect(() => replay(log)).toThrow(code('unexplained-erasure'));
  });

  it.each<[string, string[]]>([
    ['without a record', []],
    ['after it was released', ['statement-restricted', 'statement-released']],
  ])('refuses that a statement is missing %s', (_what, records) => {
    const log = new WorldLog();
    log.publish(log.admit('acme'));
    const hidden = hide(log, 4);
    for (const name of records) log.record(name, `statement:${hidden.entry}`, hidden, idOf('acme'));
    expect(() => replay(log)).toThrow(code('unexplained-erasure'));
    log.record('statement-restricted', `statement:${hidden.entry}`, hidden, idOf('acme'));
    expect(replay(log)).toMatchObject({ admissions: 0, erased: 1 });
  });

  it('counts a record about the same statement in another log, which is elsewhere there', () => {
    const log = new WorldLog();
    log.publish(log.admit('acme'));
    const erased = { ...hide(log, 4), index: '7', approvals: 2 };
    log.record('statement-erased', `statement:${erased.entry}`, { ...erased, log: 'other.example' }, idOf('acme'));
    expect(replay(log)).toMatchObject({ erased: 1 });
  });

  it('refuses that one member alone erases, or that a record names another index', () => {
    for (const change of [{ approvals: 1 }, { approvals: 2, index: '3' }]) {
      const log = new WorldLog();
      log.publish(log.admit('acme'));
      const erased = hide(log, 4);
      log.record('statement-erased', `statement:${erased.entry}`, { ...erased, ...change }, idOf('acme'));
      expect(() => replay(log)).toThrow(code('wrong-admission'));
    }
  });
});
