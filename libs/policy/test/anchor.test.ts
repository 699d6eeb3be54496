import { encodeJsonPayload, parseStatement, type Claims, type Release } from '@margo-trust/statement';
import { makeOwnCa, makeOwnLeaf, withExtension, withoutExtension, World, type TestVendor } from '@margo-trust/testkit';
import { derNull, derOid, derSequence, OID, type AnchorPurpose } from '@margo-trust/x509';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  claimsUnder,
  decideAdmission,
  describeAnchor,
  findAnchorFlaws,
  findPatternFlaws,
  FOUNDING_POLICY,
  judgeAnchor,
  matchesSubject,
  parseAnchorRecord,
  VerifiedPaths,
  type AdmissionFacts,
  type AnchorTerms,
  type RegisteredAnchor,
  type SubjectPattern,
} from '../src/index.ts';

const world = new World();
const ID = '01jx0000000000000000000000';
const acme = world.vendor(ID);
const claims: Claims = { applicationIdPrefixes: ['com-acme-'], ociNamespaces: ['registry.example/acme'] };
const own = { C: 'DE', ST: 'Hessen', O: 'Acme Industrial GmbH' };
const ca = makeOwnCa();
const NOTHING: Claims = { applicationIdPrefixes: [], ociNamespaces: [] };

const terms = (change: Partial<AnchorTerms> = {}): AnchorTerms => ({
  purpose: 'artifact-signing',
  claims: { applicationIdPrefixes: ['com-acme-pump'], ociNamespaces: ['registry.example/acme/pump'] },
  subject: own,
  validFrom: world.later(-3600),
  validUntil: world.later(86_400),
  ...change,
});
const anchor = (change: Partial<RegisteredAnchor> = {}): RegisteredAnchor => ({
  ...terms(),
  vendorId: acme.id,
  vendorUri: acme.uri,
  certificate: ca.certificate,
  ...change,
});

const signer = (change: Parameters<typeof makeOwnLeaf>[1] = {}, by = ca): TestVendor => {
  const { key, certificate } = makeOwnLeaf(by, change);
  return { id: acme.id, uri: acme.uri, key, certificate, chain: [certificate.der, by.certificate.der] };
};
const release = (by: TestVendor, change: Partial<Release> = {}) =>
  parseStatement(
    world.signRelease(by, {
      applicationId: 'com-acme-pump',
      version: '1.0.0',
      package: {
        reference: 'registry.example/acme/pump:1',
        mediaType: 'm/t',
        digest: `sha256:${'0'.repeat(64)}`,
        size: 1,
      },
      components: [],
      images: [],
      ...change,
    }),
  );
const facts = (change: Partial<AdmissionFacts> = {}): AdmissionFacts => ({
  policy: FOUNDING_POLICY,
  at: world.now,
  paths: new VerifiedPaths({ anchors: [world.root.der], issuing: [world.issuing.der] }),
  anchors: [anchor()],
  vendor: { claims, isActive: true },
  isRevoked: () => false,
  isWithdrawn: () => false,
  ...change,
});

describe('a statement under a registered anchor', () => {
  it('is admitted for the vendor of the anchor', () => {
    expect(decideAdmission(release(signer()), facts())).toBeUndefined();
    expect(decideAdmission(release(acme, { applicationId: 'com-acme-other' }), facts())).toBeUndefined();
  });

  it('is admitted when the anchor is the signing certificate itself', () => {
    const { key, certificate } = makeOwnLeaf(undefined);
    const alone = { ...acme, key, certificate, chain: [certificate.der] };
    expect(decideAdmission(release(alone), facts({ anchors: [anchor({ certificate })] }))).toBeUndefined();
    expect(decideAdmission(release(alone), facts({ anchors: [] }))).toMatchObject({ code: 'x509/no-path' });
  });

  const globex = world.vendor('01jx0000000000000000000001');
  it.each<[string, string, () => Parameters<typeof decideAdmission>]>([
    ['without the anchor', 'x509/no-path', () => [release(signer()), facts({ anchors: [] })]],
    [
      'in the name of another vendor',
      'x509/no-path',
      () => [release({ ...signer(), uri: globex.uri }), facts({ vendor: { claims, isActive: true } })],
    ],
    [
      'under the anchor of another vendor',
      'x509/no-path',
      () => [release(signer()), facts({ anchors: [anchor({ vendorUri: globex.uri })] })],
    ],
    [
      'whose subject is another',
      'anchor/subject-mismatch',
      () => [release(signer({ subject: { organization: 'Globex Corp' } })), facts()],
    ],
    [
      'whose certificate names another vendor too',
      'anchor/subject-mismatch',
      () => [release(signer({ uris: [globex.uri] })), facts()],
    ],
    [
      'before the window',
      'anchor/outside-window',
      () => [release(signer()), facts({ anchors: [anchor({ validFrom: world.later(1) })] })],
    ],
    [
      'at the end of the window',
      'anchor/outside-window',
      () => [release(signer()), facts({ anchors: [anchor({ validUntil: world.now })] })],
    ],
    [
      'of an application that is the vendor’s and not the anchor’s',
      'registration/application-not-claimed',
      () => [release(signer(), { applicationId: 'com-acme-other' }), facts()],
    ],
    [
      'of an application that is the anchor’s and not the vendor’s',
      'registration/application-not-claimed',
      () => [
        release(signer(), { applicationId: 'com-evil' }),
        facts({ anchors: [anchor({ claims: { applicationIdPrefixes: ['com-'], ociNamespaces: [] } })] }),
      ],
    ],
    [
      'by a certificate for something else',
      'x509/extended-key-usage',
      () => [release(signer({ purposes: [OID.serverAuth] })), facts()],
    ],
    [
      'when a key above is revoked',
      'registration/certificate-revoked',
      () => [release(signer()), facts({ isRevoked: ({ path, anchor: by }) => path.length === 2 && by !== undefined })],
    ],
    [
      'of a suspended vendor',
      'registration/vendor-not-active',
      () => [release(signer()), facts({ vendor: { claims, isActive: false } })],
    ],
  ])('is refused %s', (_what, code, make) => {
    expect(decideAdmission(...make())).toMatchObject({ code });
  });

  it('counts by whichever registration of the certificate fits', () => {
    const past = anchor({ validUntil: world.later(-60) });
    const path = [signer().certificate, ca.certificate];
    expect(judgeAnchor(path, [past, anchor()], world.now)).toEqual(anchor());
    expect(() => judgeAnchor(path, [past, past], world.now)).toThrow(
      expect.objectContaining({ code: 'anchor/outside-window' }),
    );
    expect(judgeAnchor(path, [], world.now)).toBeUndefined();
  });

  it('never has claims that the vendor lost or never had', () => {
    expect(claimsUnder(undefined, claims)).toEqual(claims);
    expect(claimsUnder(terms(), NOTHING)).toEqual(NOTHING);
    expect(claimsUnder(terms(), claims)).toEqual(terms().claims);
  });
});

describe('a record of an anchor', () => {
  const written = (change: object = {}) =>
    encodeJsonPayload({ ...describeAnchor(anchor(), { at: world.now, approvals: 2 }), ...change });

  it('says all of it, and is read again as it was', () => {
    const { anchor: read, approvals } = parseAnchorRecord(written());
    expect(read).toEqual(anchor());
    expect(approvals).toBe(2);
  });

  it.each<[string, object]>([
    ['another record', { record: 'vendor-admitted' }],
    ['an unknown purpose', { purpose: 'anything' }],
    ['another fingerprint', { fingerprint: '0'.repeat(64) }],
    ['no certificate', { certificate: undefined }],
    ['claims that are no lists', { claims: { applicationIdPrefixes: 'com-', ociNamespaces: [] } }],
    ['a pattern nobody knows', { subject: { ...own, serialNumber: '1' } }],
    ['a pattern of numbers', { subject: { C: 1 } }],
    ['no window', { validUntil: undefined }],
    ['fractions of seconds', { validFrom: '2026-01-01T00:00:00.5Z' }],
    ['no approvals', { approvals: 'two' }],
  ])('is refused with %s', (_what, change) => {
    expect(() => parseAnchorRecord(written(change))).toThrow(expect.objectContaining({ code: 'anchor/malformed' }));
  });
});

describe('findAnchorFlaws', () => {
  const flawsOf = (made: Parameters<typeof makeOwnCa>[0] = {}, change: Partial<AnchorTerms> = {}) =>
    findAnchorFlaws(makeOwnCa(made).certificate, terms(change), { claims, subject: own }, world.now);
  const without = (oid: string) => ({
    change: (spec: Parameters<typeof withoutExtension>[0]) => withoutExtension(spec, oid),
  });
  const device: Partial<AnchorTerms> = { purpose: 'device-idevid', claims: NOTHING, subject: { O: own.O } };

  it('finds none in what is well made', () => {
    expect(flawsOf()).toEqual([]);
    expect(flawsOf({ purposes: [] }, device)).toEqual([]);
    expect(flawsOf({ purposes: [OID.timeStamping] }, { ...device, purpose: 'timestamping' })).toEqual([]);
  });

  it('takes an RSA key of 2048 bits from makers of devices only', () => {
    expect(flawsOf({ keyType: 'RSA-2048', purposes: [] }, device)).toEqual([]);
    expect(flawsOf({ keyType: 'RSA-2048' })).toEqual([expect.stringMatching(/2048 bits/)]);
  });

  it.each<[RegExp, Parameters<typeof flawsOf>]>([
    [/vouch for anything/, [{ purposes: [] }]],
    [/is not 1\.3\.6\.1\.5\.5\.7\.3\.3 alone/, [{ purposes: [OID.codeSigning, OID.serverAuth] }]],
    [/is not 1\.3\.6\.1\.5\.5\.7\.3\.3 alone/, [{ purposes: [OID.anyExtendedKeyUsage] }]],
    [/not one for other purposes/, [{}, device]],
    [/key identifier/, [without(OID.subjectKeyIdentifier)]],
    [/signs certificates/, [without(OID.keyUsage)]],
    [
      /length of paths/,
      [
        {
          change: (spec) =>
            withExtension(spec, {
              oid: OID.basicConstraints,
              critical: true,
              value: Uint8Array.of(0x30, 3, 1, 1, 255),
            }),
        },
      ],
    ],
    [
      /not critical/,
      [
        {
          change: (spec) =>
            withExtension(spec, {
              oid: OID.basicConstraints,
              critical: false,
              value: Uint8Array.of(0x30, 6, 1, 1, 255, 2, 1, 0),
            }),
        },
      ],
    ],
    [
      /2\.5\.29\.99 is understood by nobody/,
      [{ change: (spec) => withExtension(spec, { oid: '2.5.29.99', critical: true, value: derNull() }) }],
    ],
    [/signature does not verify/, [{ change: (spec) => ({ ...spec, spki: makeOwnCa().certificate.spki }) }]],
    [/not valid now/, [{ notAfter: world.later(-1) }]],
    [/reaches beyond/, [{}, { validUntil: world.later(100 * 365 * 86_400) }]],
    [/before it begins/, [{}, { validUntil: world.later(-7200) }]],
    [/There are no claims/, [{}, { claims: NOTHING }]],
    [/does not have the claim "com-"/, [{}, { claims: { applicationIdPrefixes: ['com-'], ociNamespaces: [] } }]],
    [
      /does not have the claim "registry\.example\/ac"/,
      [{}, { claims: { applicationIdPrefixes: [], ociNamespaces: ['registry.example/ac'] } }],
    ],
    [/Claims are for signing/, [{ purposes: [] }, { ...device, claims }]],
    [/must have O=Acme/, [{}, { subject: { ...own, O: 'Globex' } }]],
    [/must name the organisation/, [{ purposes: [] }, { ...device, subject: { CN: 'x' } }]],
    [/matches every certificate/, [{ purposes: [] }, { ...device, subject: {} }]],
  ])('says %s', (expected, args) => {
    expect(flawsOf(...args)).toEqual(expect.arrayContaining([expect.stringMatching(expected)]));
  });

  it('gives all reasons at once', () => {
    expect(
      flawsOf({ purposes: [], notAfter: world.later(-1) }, { claims: NOTHING, subject: {} }).length,
    ).toBeGreaterThan(5);
  });

  it('wants a signing certificate to be what it was registered for', () => {
    const { certificate } = makeOwnLeaf(undefined, { subject: { organization: 'Globex' } });
    expect(findAnchorFlaws(certificate, terms(), { claims, subject: own }, world.now)).toEqual([
      'The certificate itself does not match the subject pattern.',
    ]);
    const purpose: AnchorPurpose = 'device-idevid';
    expect(findAnchorFlaws(certificate, terms({ ...device, purpose }), { claims, subject: own }, world.now)).toContain(
      'The certificate is not that of a CA.',
    );
  });
});

describe('a subject pattern', () => {
  const leaf = (uris: string[] = []) => makeOwnLeaf(ca, { uris }).certificate;

  it.each<[SubjectPattern, string[], boolean]>([
    [{ O: own.O }, [], true],
    [{ O: 'acme industrial gmbh' }, [], false],
    [{ OU: 'x' }, [], false],
    [{ uri: 'https://acme.example/a' }, ['https://acme.example/a'], true],
    [{ uri: 'https://acme.example/a' }, ['https://acme.example/a/b'], false],
    [{ uri: 'https://acme.example/*' }, ['https://acme.example/a', 'https://acme.example/b'], true],
    [{ uri: 'https://acme.example/*' }, ['https://acme.example/a', 'https://evil.example/b'], false],
    [{ uri: 'https://acme.example/*' }, ['https://acme.example.evil/a'], false],
    [{ uri: 'https://acme.example/a/*' }, ['https://acme.example/a/../b'], false],
    [{ uri: 'https://acme.example/*' }, ['https://acme.example/'], false],
    [{ uri: 'https://acme.example/*' }, [], false],
    [{ dns: '*.acme.example' }, ['https://acme.example/'], false],
  ])('%j over %j: %s', (pattern, uris, expected) => {
    expect(matchesSubject(pattern, leaf(uris))).toBe(expected);
  });

  it('compares host names without case', () => {
    const { certificate } = makeOwnLeaf(ca, {
      change: (spec) =>
        withExtension(spec, {
          oid: OID.subjectAltName,
          critical: false,
          value: derSequence(Uint8Array.from([0x82, 14, ...Buffer.from('A.acme.example')])),
        }),
    });
    expect(matchesSubject({ dns: '*.acme.example' }, certificate)).toBe(true);
    expect(matchesSubject({ dns: 'a.acme.example' }, certificate)).toBe(true);
    expect(matchesSubject({ dns: 'b.acme.example' }, certificate)).toBe(false);
  });

  it('wants an attribute once', () => {
    const twice = derSequence(...[1, 2].map((n) => rdn(`x${n}`)));
    const { certificate } = makeOwnLeaf(ca, { change: (spec) => ({ ...spec, subject: twice }) });
    expect(matchesSubject({ CN: 'x1' }, certificate)).toBe(false);
  });

  it.each<[SubjectPattern, number]>([
    [{ O: 'x' }, 0],
    [{ uri: 'https://acme.example/*' }, 0],
    [{ uri: 'spiffe://acme.example/builds/*' }, 0],
    [{ dns: '*.acme.example' }, 0],
    [{}, 1],
    [{ uri: 'https://*.acme.example/' }, 1],
    [{ uri: 'https://acme.example/a*' }, 1],
    [{ uri: 'https:///*' }, 1],
    [{ uri: '*' }, 1],
    [{ dns: '*' }, 1],
    [{ dns: '*.com' }, 1],
    [{ dns: 'a.*.com' }, 1],
  ])('%j has %i flaws', (pattern, count) => {
    expect(findPatternFlaws(pattern)).toHaveLength(count);
  });

  it('answers whatever it is given', () => {
    const certificate = leaf(['https://acme.example/a']);
    const any = fc.record({ C: fc.string(), uri: fc.string(), dns: fc.string() }, { requiredKeys: [] });
    fc.assert(
      fc.property(any, (pattern) => {
        expect(typeof matchesSubject(pattern, certificate)).toBe('boolean');
        expect(Array.isArray(findPatternFlaws(pattern))).toBe(true);
      }),
    );
  });
});

function rdn(value: string): Uint8Array {
  const attribute = derSequence(derOid(OID.commonName), Uint8Array.from([0x0c, value.length, ...Buffer.from(value)]));
  return Uint8Array.from([0x31, attribute.length, ...attribute]);
}
