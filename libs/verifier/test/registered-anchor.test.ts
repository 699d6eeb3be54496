import { encodeBase64, encodeHex, encodeUtf8, parseHex } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { describeAnchor, type RegisteredAnchor } from '@margo-trust/policy';
import { buildRevocationFilter, FilterKeys } from '@margo-trust/revocation-filter';
import { attachToStatement, parseStatement, type TargetArtifact } from '@margo-trust/statement';
import {
  makeKey,
  makeOwnCa,
  makeOwnLeaf,
  withExtension,
  World,
  type KeyPair,
  type TestIdentity,
  type TestVendor,
} from '@margo-trust/testkit';
import { draftTimestampToken } from '@margo-trust/timestamp';
import { openTufSnapshot } from '@margo-trust/tuf';
import { derOid, derSequence, OID, policyOid } from '@margo-trust/x509';
import { describe, expect, it } from 'vitest';
import { parseTrustRoot, revokedShard, vendorShard, Verifier, type Verdict } from '../src/index.ts';

const ID = '01jd5x7m8n9p0q1r2s3t4v5w6x';
const claims = { applicationIdPrefixes: ['com-example-'], ociNamespaces: ['registry.example/acme'] };
const target: TargetArtifact = {
  mediaType: 'application/vnd.oci.image.manifest.v1+json',
  digest: `sha256:${'1a'.repeat(32)}`,
  size: 10,
  annotations: { 'org.margo.trust.reference': 'registry.example/acme/pump:1.0.0' },
};

/** A vendor that was admitted, its own CA and one signing certificate of that. */
function walk() {
  const world = new World();
  const ca = makeOwnCa();
  const vendor = world.vendor(ID);
  const anchor: RegisteredAnchor = {
    purpose: 'artifact-signing',
    vendorId: ID,
    vendorUri: vendor.uri,
    certificate: ca.certificate,
    claims: { applicationIdPrefixes: ['com-example-'], ociNamespaces: ['registry.example/acme/pump'] },
    subject: { C: 'DE', ST: 'Hessen', O: 'Acme Industrial GmbH' },
    validFrom: world.later(-3600),
    validUntil: world.later(365 * 86_400),
  };
  const own = signerOf(vendor, makeOwnLeaf(ca), ca);
  return { world, ca, vendor, anchor, own, published: world.published(vendor, claims) };
}
type Walk = ReturnType<typeof walk>;

function signerOf(vendor: TestVendor, { key, certificate }: TestIdentity, ca: TestIdentity): TestVendor {
  return { ...vendor, key, certificate, chain: [certificate.der, ca.certificate.der] };
}

interface Plant {
  readonly anchor?: Partial<RegisteredAnchor>;
  readonly own?: TestVendor;
  readonly target?: TargetArtifact;
  /** Members of the record that say something else. */
  readonly record?: object;
  readonly subject?: string;
  readonly recordKey?: KeyPair;
  readonly isLogged?: false;
  readonly published?: object;
  readonly signature?: (signature: Uint8Array) => Uint8Array;
  readonly others?: readonly RegisteredAnchor[];
  readonly lists?: Parameters<World['trustRoot']>[1];
  readonly live?: Readonly<Record<string, Uint8Array>>;
  readonly missing?: string;
}

/** The verdict on an artifact that the vendor has signed under its own CA, with one thing planted. */
function judge({ world, anchor, own, published }: Walk, plant: Plant = {}): Verdict {
  const register = (one: RegisteredAnchor) => {
    const payload = { ...describeAnchor(one, { at: world.now, approvals: 2 }), ...plant.record };
    const record = world.record(plant.subject ?? `vendor:${ID}`, payload, plant.recordKey);
    return { record: encodeBase64(plant.isLogged === false ? record : world.log(record)), ...plant.published };
  };
  const anchors = [{ ...anchor, ...plant.anchor }, ...(plant.others ?? [])].map(register);
  const held = plant.target ?? target;
  const signed = world.signArtifact(plant.own ?? own, held);
  const signature = world.log(plant.signature ? plant.signature(signed) : signed);
  const set = world.trustRoot([{ ...published, anchors } as typeof published], plant.lists, {
    ...(plant.live && { live: plant.live }),
  });
  const files = Object.fromEntries(Object.entries(set.files).filter(([name]) => name !== plant.missing));
  const now = new Date('2026-11-21T00:00:00Z');
  const verifier = new Verifier(parseTrustRoot(openTufSnapshot({ ...set, files }, { now, expired: 'report' })));
  return verifier.verifyArtifact(held, [signature]);
}

const codeOf = (verdict: Verdict) => (verdict.trusted ? 'trusted' : verdict.code);
const hashOf = ({ certificate }: TestIdentity | TestVendor) => encodeHex(sha256(certificate.spki));
const revokedAt = '2026-11-21T00:00:00Z';

describe('a signature under a vendor’s own CA', () => {
  it('is trusted, and the verdict says by which anchor', () => {
    const case_ = walk();
    const verdict = judge(case_);
    expect(verdict).toMatchObject({
      trusted: true,
      finding: { vendorId: ID, anchorFingerprint: case_.ca.certificate.fingerprint },
    });
    expect(verdict.checks.find(({ name }) => name === 'certificate')?.detail).toContain('CA of the vendor’s own');
  });

  it('is trusted beside one that the registry’s CA vouches for', () => {
    const case_ = walk();
    const verdict = judge(case_, { own: case_.vendor });
    expect(verdict.trusted && verdict.finding).toMatchObject({ assurance: 'software' });
    expect(verdict.trusted && verdict.finding).not.toHaveProperty('anchorFingerprint');
  });

  it('says nothing of what the CA wrote about the key', () => {
    const case_ = walk();
    const policies = derSequence(derSequence(derOid(policyOid('hardware'))));
    const boasting = makeOwnLeaf(case_.ca, {
      change: (spec) => withExtension(spec, { oid: OID.certificatePolicies, critical: false, value: policies }),
    });
    const verdict = judge(case_, { own: signerOf(case_.vendor, boasting, case_.ca) });
    expect(verdict.trusted && verdict.finding).not.toHaveProperty('assurance');
  });

  it.each<[string, (walk: Walk) => Plant, string]>([
    ['whose registration a stranger signed', () => ({ recordKey: makeKey('P-256') }), 'verify/anchor-unproven'],
    ['whose registration is not in the log', () => ({ isLogged: false }), 'verify/anchor-unproven'],
    ['that one member alone has registered', () => ({ record: { approvals: 1 } }), 'verify/anchor-unproven'],
    ['that was registered for another vendor', () => ({ anchor: { vendorId: 'other' } }), 'verify/anchor-unproven'],
    ['by a record about somebody else', () => ({ subject: 'vendor:other' }), 'verify/anchor-unproven'],
    ['by a record of something else', () => ({ record: { record: 'vendor-admitted' } }), 'verify/anchor-unproven'],
    ['registered for another purpose', () => ({ anchor: { purpose: 'device-idevid' } }), 'x509/no-path'],
    [
      'that vouches for another vendor',
      ({ vendor, ca }) => ({ own: signerOf(vendor, makeOwnLeaf(ca, { subject: { organization: 'Globex' } }), ca) }),
      'anchor/subject-mismatch',
    ],
    ['before its window', ({ world }) => ({ anchor: { validFrom: world.later(1) } }), 'anchor/outside-window'],
    ['after its window', ({ world }) => ({ anchor: { validUntil: world.now } }), 'anchor/outside-window'],
    ['after it was withdrawn', () => ({ published: { withdrawnAt: '2026-11-20T12:00:00Z' } }), 'anchor/outside-window'],
    [
      'of a namespace that is the vendor’s and not the anchor’s',
      () => ({ target: { ...target, annotations: { 'org.margo.trust.reference': 'registry.example/acme/valve:1' } } }),
      'verify/namespace-not-claimed',
    ],
    [
      'of a namespace that is the anchor’s and not the vendor’s',
      () => ({
        anchor: { claims: { applicationIdPrefixes: [], ociNamespaces: ['registry.example/other'] } },
        target: { ...target, annotations: { 'org.margo.trust.reference': 'registry.example/other/x:1' } },
      }),
      'verify/namespace-not-claimed',
    ],
    [
      'when the key of the CA is revoked',
      ({ ca }) => ({ lists: { keys: [{ spki: hashOf(ca), reason: 'cACompromise', revokedAt }] } }),
      'verify/issuer-revoked',
    ],
    [
      'when the CA is revoked as an issuer',
      ({ ca }) => ({ lists: { issuers: [{ name: 'own', spki: hashOf(ca), reason: 'cACompromise', revokedAt }] } }),
      'verify/issuer-revoked',
    ],
    [
      'when the key that signed is revoked',
      ({ own }) => ({ lists: { keys: [{ spki: hashOf(own), reason: 'keyCompromise', revokedAt }] } }),
      'verify/key-revoked',
    ],
    [
      'when the certificate is in the list',
      ({ own: { certificate } }) => ({
        lists: { certificates: [{ fingerprint: certificate.fingerprint, reason: 'keyCompromise', revokedAt }] },
      }),
      'verify/certificate-revoked',
    ],
    [
      'when the vendor is revoked',
      () => ({ lists: { vendors: [{ id: ID, reason: 'unspecified', revokedAt }] } }),
      'verify/vendor-revoked',
    ],
  ])('is refused %s', (_what, plant, code) => {
    const case_ = walk();
    expect(codeOf(judge(case_, plant(case_)))).toBe(code);
  });

  it('stands when it was made before its CA was withdrawn or its key was lost', () => {
    const case_ = walk();
    expect(codeOf(judge(case_, { published: { withdrawnAt: '2026-11-20T12:00:01Z' } }))).toBe('trusted');
    const lost = { spki: hashOf(case_.ca), reason: 'cACompromise', revokedAt, invalidityDate: '2026-11-20T12:00:01Z' };
    expect(codeOf(judge(case_, { lists: { keys: [lost] } }))).toBe('trusted');
  });

  it('is refused for the missing file where that of its vendor is not at hand', () => {
    expect(codeOf(judge(walk(), { missing: vendorShard(ID) }))).toBe('tuf/missing-target');
  });

  it('does not ask the filter and the files about what the registry did not issue', () => {
    const case_ = walk();
    const { world, own } = case_;
    const issuing = sha256(world.issuing.spki);
    const revoked = new FilterKeys();
    revoked.add(issuing, parseHex(own.certificate.serialHex)); // as if a certificate of ours had that number
    const filter = buildRevocationFilter({
      ...{ origin: world.origin, logSize: 100, issuers: [issuing], salt: new Uint8Array(16) },
      ...{ revoked, valid: new FilterKeys() },
    });
    expect(codeOf(judge(case_, { live: { 'live.revoked.filter': filter } }))).toBe('trusted');
    const shard = { [revokedShard(ID)]: encodeUtf8('{"type":"margo.revoked.v1","certificates":[]}') };
    expect(codeOf(judge(case_, { live: shard, missing: revokedShard(ID) }))).toBe('trusted');
    expect(codeOf(judge(case_, { live: shard, missing: revokedShard(ID), own: case_.vendor }))).toBe(
      'verify/bad-trust-root',
    );
  });
});

describe('a time-stamp of a vendor’s own authority', () => {
  /** Stamped an hour before the log knew it. */
  function stamped(case_: Walk, change: Partial<RegisteredAnchor> = {}, plant: Plant = {}): Verdict {
    const { world, vendor } = case_;
    const tsaCa = makeOwnCa({ purposes: [OID.timeStamping] });
    const tsa = makeOwnLeaf(tsaCa, { purposes: [OID.timeStamping], subject: { commonName: 'Own TSA' } });
    const genTime = world.later(-600);
    const signature = (bytes: Uint8Array) => {
      const draft = draftTimestampToken({
        ...{ hash: 'SHA-256', imprint: sha256(parseStatement(bytes).cose.signature), serial: 1n, genTime },
        ...{ policy: '1.2.3', tsaCertificate: tsa.certificate, includeCertificate: true },
      });
      const timestampToken = draft.finish(tsa.key.sign(draft.toBeSigned, draft.algorithm));
      return attachToStatement(bytes, { timestampToken });
    };
    const anchor: RegisteredAnchor = {
      ...case_.anchor,
      purpose: 'timestamping',
      certificate: tsaCa.certificate,
      claims: { applicationIdPrefixes: [], ociNamespaces: [] },
      subject: { O: 'Acme Industrial GmbH' },
      ...change,
    };
    const lists = plant.lists?.keys ? { keys: [{ spki: hashOf(tsaCa), reason: 'keyCompromise', revokedAt }] } : {};
    return judge(case_, { own: vendor, signature, others: [anchor], lists });
  }
  const timeOf = (verdict: Verdict) => (verdict.trusted ? verdict.finding.time : verdict.code);

  it('counts for what that vendor signed', () => {
    const case_ = walk();
    expect(timeOf(stamped(case_))).toEqual(case_.world.later(-600));
  });

  it.each<[string, (walk: Walk) => Partial<RegisteredAnchor>, Plant?]>([
    ['an authority of another purpose', () => ({ purpose: 'artifact-signing' })],
    ['an authority called otherwise', () => ({ subject: { O: 'Globex' } })],
    ['a time outside the window', ({ world }) => ({ validFrom: world.later(-599) })],
    ['an authority whose key is revoked', () => ({}), { lists: { keys: [{}] } }],
    ['an authority of another vendor', () => ({ vendorId: 'other' })],
  ])('does not count with %s: the log’s time stands', (_what, change, plant) => {
    const case_ = walk();
    expect(timeOf(stamped(case_, change(case_), plant))).toEqual(case_.world.now);
  });
});
