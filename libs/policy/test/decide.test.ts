import { randomBytes } from 'node:crypto';
import {
  attachToStatement,
  draftStatement,
  finishStatement,
  parseStatement,
  type Claims,
  type Release,
} from '@margo-trust/statement';
import { makeKey, World, type TestVendor } from '@margo-trust/testkit';
import { describe, expect, it } from 'vitest';
import { decideAdmission, FOUNDING_POLICY, VerifiedPaths, type AdmissionFacts } from '../src/index.ts';

const world = new World();
const acme = world.vendor('01jx0000000000000000000000');
const claims: Claims = { applicationIdPrefixes: ['com-acme-'], ociNamespaces: ['registry.example/acme'] };
const trust = { anchors: [world.root.der], issuing: [world.issuing.der] };

const facts = (change: Partial<AdmissionFacts> = {}): AdmissionFacts => ({
  policy: FOUNDING_POLICY,
  at: world.now,
  paths: new VerifiedPaths(trust),
  anchors: [],
  vendor: { claims, isActive: true },
  isRevoked: () => false,
  isWithdrawn: () => false,
  ...change,
});

const item = (reference: string) => ({
  reference,
  mediaType: 'm/t',
  digest: `sha256:${randomBytes(32).toString('hex')}`,
  size: 1,
});
const release = (change: Partial<Release> = {}, by: TestVendor = acme) =>
  parseStatement(
    world.signRelease(by, {
      applicationId: 'com-acme-pump',
      version: '1.0.0',
      package: item('registry.example/acme/pump:1'),
      components: [],
      images: [item('docker.io/library/redis:7')],
      ...change,
    }),
  );
const artifact = (reference: string) =>
  parseStatement(
    world.signArtifact(acme, {
      ...item(reference),
      annotations: { 'org.margo.trust.reference': reference },
    }),
  );
/** With content nobody knows, signed by `key` for the certificate of the vendor. */
const spoken = (contentType: string, by: TestVendor = acme, key = by.key) => {
  const draft = draftStatement({
    algorithm: 'ES256',
    issuer: by.uri,
    subject: 'x',
    contentType,
    payload: new Uint8Array(2_000),
    issuedAt: world.now,
    signer: { leafDer: by.certificate.der },
  });
  return parseStatement(finishStatement(draft, key.sign(draft.toBeSigned, 'ES256'), { chain: by.chain }));
};
const opaque = { ...FOUNDING_POLICY, statements: [{ contentType: 'a/b', payload: 'opaque' as const }] };

describe('decideAdmission', () => {
  it('admits what the policy says', () => {
    expect(decideAdmission(release(), facts())).toBeUndefined();
    expect(decideAdmission(artifact('registry.example/acme/pump:1'), facts())).toBeUndefined();
    expect(decideAdmission(spoken('a/b'), facts({ policy: opaque }))).toBeUndefined();
  });

  const late = world.vendor('01jx0000000000000000000000', { notAfter: world.later(-60) });
  it.each<[string, string, () => Parameters<typeof decideAdmission>]>([
    [
      'too large',
      'registration/statement-too-large',
      () => [spoken('a/b'), facts({ policy: { ...opaque, maxStatementBytes: 1_024 } })],
    ],
    ['of another content type', 'registration/content-type-refused', () => [spoken('a/b'), facts()]],
    [
      'of a type that is admitted no more',
      'registration/content-type-refused',
      () => [release(), facts({ policy: opaque })],
    ],
    ['that is no release', 'bytes/bad-json', () => [spoken('application/vnd.margo.trust.release.v1+json'), facts()]],
    ['without chain', 'registration/no-chain', () => [parseStatement(release().stripped), facts()]],
    ['from another root of that name', 'x509/bad-signature', () => [release({}, new World().vendor(acme.id)), facts()]],
    ['by an expired certificate', 'x509/expired', () => [release({}, late), facts()]],
    ['before its certificate', 'x509/not-yet-valid', () => [release(), facts({ at: world.later(-7200) })]],
    [
      'in the name of another',
      'registration/issuer-mismatch',
      () => [release({}, { ...acme, uri: 'https://other.vendors.registry.example/' }), facts()],
    ],
    ['of nobody', 'registration/unknown-vendor', () => [release(), facts({ vendor: undefined })]],
    [
      'of an application not granted',
      'registration/application-not-claimed',
      () => [release({ applicationId: 'com-evil-pump' }), facts()],
    ],
    [
      'of a namespace not granted',
      'registration/namespace-not-claimed',
      () => [artifact('registry.example/acme-evil/x:1'), facts()],
    ],
    [
      'by an algorithm not admitted',
      'registration/algorithm-refused',
      () => [release(), facts({ policy: { ...FOUNDING_POLICY, algorithms: ['PS256'] } })],
    ],
    [
      'signed by another key',
      'crypto/bad-signature',
      () => [spoken('a/b', acme, makeKey('P-256')), facts({ policy: opaque })],
    ],
    [
      'of a suspended vendor',
      'registration/vendor-not-active',
      () => [release(), facts({ vendor: { claims, isActive: false } })],
    ],
    [
      'by a revoked certificate',
      'registration/certificate-revoked',
      () => [release(), facts({ isRevoked: () => true })],
    ],
    [
      'of a withdrawn artifact',
      'registration/digest-revoked',
      () => [release(), facts({ isWithdrawn: (digests) => digests.length > 0 })],
    ],
  ])('refuses a statement %s', (_what, code, make) => {
    expect(decideAdmission(...make())).toMatchObject({ code });
  });

  it('answers with the first step that refuses', () => {
    const bad = release({ applicationId: 'com-evil-pump' }, late);
    const all = facts({
      isRevoked: () => true,
      vendor: undefined,
      policy: { ...FOUNDING_POLICY, algorithms: ['PS256'] },
    });
    expect(decideAdmission(bad, all)).toMatchObject({ code: 'x509/expired' });
    expect(decideAdmission(bad, { ...all, at: world.later(-600) })).toMatchObject({
      code: 'registration/unknown-vendor',
    });
    const known = { ...all, at: world.later(-600), vendor: { claims, isActive: false } };
    expect(decideAdmission(bad, known)).toMatchObject({ code: 'registration/application-not-claimed' });
    expect(decideAdmission(release(), known)).toMatchObject({ code: 'registration/algorithm-refused' });
  });

  it('checks no claim that the policy leaves out', () => {
    const policy = { ...FOUNDING_POLICY, claims: [] };
    expect(decideAdmission(release({ applicationId: 'com-evil-pump' }), facts({ policy }))).toBeUndefined();
    expect(decideAdmission(artifact('registry.example/x/y:1'), facts({ policy }))).toBeUndefined();
  });
});

describe('VerifiedPaths', () => {
  const [leaf, issuing, root] = acme.chain as [Uint8Array, Uint8Array, Uint8Array];

  it('decides the same with a full memory as with an empty one', () => {
    const paths = new VerifiedPaths({ ...trust, issuing: [] });
    expect(paths.find([leaf, issuing, root], world.now)[0]?.der).toEqual(leaf);
    expect(() => paths.find([leaf, root], world.now)).toThrow(expect.objectContaining({ code: 'x509/no-path' }));
    expect(paths.find([leaf, issuing, root], world.later(86_400))).toHaveLength(3);
    expect(() => paths.find([leaf, issuing, root], world.later(400 * 86_400))).toThrow(
      expect.objectContaining({ code: 'x509/expired' }),
    );
  });

  it('does not take a chain that runs together to the same bytes for the same', () => {
    const paths = new VerifiedPaths(trust);
    paths.find([leaf, issuing], world.now);
    const joined = Uint8Array.from([...leaf, ...issuing]);
    expect(() => paths.find([joined], world.now)).toThrow(expect.objectContaining({ name: 'X509Fault' }));
  });

  it('reads what was attached later as what was sent', () => {
    const sent = release();
    const again = parseStatement(attachToStatement(sent.stripped, { chain: sent.chain }));
    expect(decideAdmission(again, facts())).toBeUndefined();
  });
});
