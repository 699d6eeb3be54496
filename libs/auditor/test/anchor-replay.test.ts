import { encodeBase64Url, encodeHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { describeAnchor, type RegisteredAnchor } from '@margo-trust/policy';
import { makeOwnCa, makeOwnLeaf, type TestIdentity, type TestVendor } from '@margo-trust/testkit';
import { OID } from '@margo-trust/x509';
import { describe, expect, it } from 'vitest';
import { AdmissionReplay, LogCheck, type ReplayReport } from '../src/index.ts';
import { idOf, WorldLog } from './world-log.ts';

function replay(log: WorldLog): ReplayReport {
  const [checked, again] = [new LogCheck(log.world.origin), new AdmissionReplay(log.key)];
  for (const bundle of log.bundles()) again.add(checked.add(bundle));
  return again.conclude();
}

const APP = 'registry.example/acme/app:1';

/** A log whose vendor `acme` has a CA of its own; `register` logs it, `sign` makes a signer under it. */
class OwnCa {
  readonly log = new WorldLog();
  readonly ca: TestIdentity;
  readonly acme: TestVendor;

  constructor(make: Parameters<typeof makeOwnCa>[0] = {}) {
    this.acme = this.log.admit('acme');
    this.ca = makeOwnCa(make);
  }

  /** Returns the EntryID. */
  register(change: Partial<RegisteredAnchor> = {}, members: object = {}, of = this.acme): string {
    const { log } = this;
    const anchor: RegisteredAnchor = {
      purpose: 'artifact-signing',
      vendorId: of.id,
      vendorUri: of.uri,
      certificate: this.ca.certificate,
      claims: { applicationIdPrefixes: [], ociNamespaces: ['registry.example/acme/app'] },
      subject: { C: 'DE', ST: 'Hessen', O: `Vendor ${of.id}` },
      validFrom: log.now,
      validUntil: log.world.later(86_400),
      ...change,
    };
    const { record, ...stated } = { ...describeAnchor(anchor, { at: log.now, approvals: 2 }), ...members } as never as {
      record: string;
    };
    log.record(record, `vendor:${of.id}`, stated, of.id);
    return encodeBase64Url(log.rows.at(-1)!.entry);
  }

  withdraw(anchor: string, of = this.acme): void {
    this.log.record('anchor-withdrawn', `vendor:${of.id}`, { vendor: of.id, anchor }, of.id);
  }

  sign(change: Parameters<typeof makeOwnLeaf>[1] = {}): TestVendor {
    const subject = { organization: `Vendor ${this.acme.id}`, ...change.subject };
    const { key, certificate } = makeOwnLeaf(this.ca, { ...change, subject });
    return { ...this.acme, key, certificate, chain: [certificate.der, this.ca.certificate.der] };
  }

  revokeKey({ certificate }: TestIdentity | TestVendor): void {
    this.log.revokeBroadly('key', { key: encodeHex(sha256(certificate.spki)), vendor: this.acme.id });
  }
}

describe('a replay of a log with registered anchors', () => {
  it('decides as an honest registry did', () => {
    const own = new OwnCa();
    const first = own.register();
    own.log.publish(own.sign(), APP);
    own.log.publish(own.acme);
    own.withdraw(first);
    own.register({ validUntil: own.log.world.later(2 * 86_400) });
    own.log.publish(own.sign(), APP);
    expect(replay(own.log)).toMatchObject({ admissions: 3 });
  });

  it.each<[RegExp, string, (own: OwnCa) => void]>([
    [/x509\/no-path/, 'before the anchor is registered', (own) => own.log.publish(own.sign(), APP)],
    [
      /x509\/no-path/,
      'after it was withdrawn',
      (own) => {
        own.withdraw(own.register());
        own.log.publish(own.sign(), APP);
      },
    ],
    [
      /x509\/no-path/,
      'under an anchor of another purpose',
      (own) => {
        const timestamping = {
          purpose: 'timestamping',
          claims: { applicationIdPrefixes: [], ociNamespaces: [] },
        } as const;
        const { certificate } = makeOwnCa({ purposes: [OID.timeStamping] });
        own.register({ ...timestamping, certificate });
        own.log.publish(own.sign(), APP);
      },
    ],
    [
      /anchor\/outside-window/,
      'before the window',
      (own) => {
        own.register({ validFrom: own.log.world.later(3600) });
        own.log.publish(own.sign(), APP);
      },
    ],
    [
      /anchor\/subject-mismatch/,
      'in another name',
      (own) => {
        own.register();
        own.log.publish(own.sign({ subject: { organization: 'Globex' } }), APP);
      },
    ],
    [
      /namespace-not-claimed/,
      'for what is the vendor’s and not the anchor’s',
      (own) => {
        own.register();
        own.log.publish(own.sign(), 'registry.example/acme/other:1');
      },
    ],
    [
      /certificate-revoked/,
      'when the key of the CA is revoked',
      (own) => {
        own.register();
        own.revokeKey(own.ca);
        own.log.publish(own.sign(), APP);
      },
    ],
    [
      /certificate-revoked/,
      'when the key that signed is revoked',
      (own) => {
        own.register();
        const signer = own.sign();
        own.revokeKey(signer);
        own.log.publish(signer, APP);
      },
    ],
  ])('finds, with %s, a statement admitted %s', (message, _what, plant) => {
    const own = new OwnCa();
    plant(own);
    expect(() => replay(own.log)).toThrow(
      expect.objectContaining({ code: 'audit/wrong-admission', message: expect.stringMatching(message) }) as Error,
    );
  });

  it.each<[RegExp, string, (own: OwnCa) => void]>([
    [/less than 2 approvals/, 'by one member', (own) => own.register({}, { approvals: 1 })],
    [/never admitted/, 'of nobody', (own) => own.register({}, { vendor: idOf('ghast') })],
    [/for https:\/\/other/, 'for the URI of another', (own) => own.register({ vendorUri: 'https://other/' })],
    [/no registration of an anchor/, 'without a certificate', (own) => own.register({}, { certificate: 'AAAA' })],
    [
      /does not have the claim/,
      'for claims that the vendor does not have',
      (own) => own.register({ claims: { applicationIdPrefixes: ['com-'], ociNamespaces: [] } }),
    ],
    [
      /not active/,
      'of a suspended vendor',
      (own) => {
        own.log.record('vendor-suspended', `vendor:${own.acme.id}`, { vendor: own.acme.id }, own.acme.id);
        own.register();
      },
    ],
    [
      /registered already/,
      'a second time',
      (own) => {
        own.register();
        own.register();
      },
    ],
    [
      /somebody else’s/,
      'with the key of another vendor’s anchor',
      (own) => {
        own.register();
        own.register(
          { claims: { applicationIdPrefixes: ['com-zeta-'], ociNamespaces: [] } },
          {},
          own.log.admit('zeta'),
        );
      },
    ],
    [
      /somebody else’s/,
      'with a key that is revoked',
      (own) => {
        own.revokeKey(own.ca);
        own.register();
      },
    ],
    [/does not have/, 'and withdrawn by another vendor', (own) => own.withdraw(own.register(), own.log.admit('zeta'))],
  ])('finds, with %s, an anchor registered %s', (message, _what, plant) => {
    const own = new OwnCa();
    plant(own);
    expect(() => replay(own.log)).toThrow(
      expect.objectContaining({ code: 'audit/wrong-admission', message: expect.stringMatching(message) }) as Error,
    );
  });

  it('finds an anchor that would vouch for anything', () => {
    const own = new OwnCa({ purposes: [] });
    own.register();
    expect(() => replay(own.log)).toThrow(/vouch for anything/);
  });

  it('finds a key that is certified here and registered as an anchor, whichever comes first', () => {
    const named = (own: OwnCa) => ({ subject: { C: 'DE', ST: 'Hessen', O: `Vendor ${own.acme.id}` } });
    const certifiedFirst = new OwnCa();
    certifiedFirst.register({ certificate: certifiedFirst.acme.certificate, ...named(certifiedFirst) });
    expect(() => replay(certifiedFirst.log)).toThrow(/somebody else’s/);
    const registeredFirst = new OwnCa();
    const other = registeredFirst.log.world.vendor(registeredFirst.acme.id);
    registeredFirst.register({ certificate: other.certificate, ...named(registeredFirst) });
    registeredFirst.log.certify(other);
    expect(() => replay(registeredFirst.log)).toThrow(/certifies a key a second time/);
  });
});
