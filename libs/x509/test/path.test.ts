import { describe, expect, it } from 'vitest';
import {
  certify,
  makeCas,
  makeCrl,
  makeLeaf,
  nextSerial,
  TEST_CRL_URL,
  TEST_DAY,
  withExtension,
  withoutExtension,
  type TestIdentity,
} from '@margo-trust/testkit';
import {
  certificateSignatureAlgorithm,
  encodeSubject,
  findRevocation,
  OID,
  parseCrl,
  rootProfile,
  STRENGTH,
  verifyPath,
  type CertificateSpec,
  type PathRequest,
  type StrengthRules,
  type SubjectFields,
} from '../src/index.ts';
import { caConstraints, extendedKeyUsage, keyUsage } from '../src/encode-extension.ts';

const cas = makeCas();
const leaf = makeLeaf(cas).certificate;

function verify(request: Partial<PathRequest> = {}) {
  return verifyPath({
    leaf,
    intermediates: [cas.issuing.certificate.der],
    anchors: [cas.root.certificate.der],
    at: TEST_DAY,
    eku: OID.codeSigning,
    ...request,
  });
}

const fault = (code: string) => expect.objectContaining({ code: `x509/${code}` });
const planted = (change: (spec: CertificateSpec) => CertificateSpec) => makeLeaf(cas, { change }).certificate;

/** A CA below `issuer` with these changes to a plain profile. */
function makeCa(
  commonName: string,
  issuer: TestIdentity | undefined,
  change: (spec: CertificateSpec) => CertificateSpec = (spec) => spec,
): TestIdentity {
  const subject: SubjectFields = { country: 'DE', organization: 'Test', commonName };
  return certify(
    'P-256',
    ({ publicKey }) => {
      const spec = rootProfile({
        serial: nextSerial(),
        subject,
        notBefore: new Date('2025-01-01T00:00:00Z'),
        notAfter: new Date('2035-01-01T00:00:00Z'),
        publicKey,
      });
      const by = issuer && {
        issuer: issuer.certificate.subject.der,
        algorithm: certificateSignatureAlgorithm(issuer.certificate.publicKey),
      };
      return change({ ...spec, ...by });
    },
    issuer,
  );
}

describe('verifyPath', () => {
  it('returns the path, leaf first', () => {
    const { path } = verify();
    expect(path.map(({ subjectText }) => subjectText)).toEqual([
      'CN=Acme Releases,O=Acme Industrial GmbH,ST=Hessen,C=DE',
      'CN=Issuing CA 1,O=Registry Example,C=DE',
      'CN=Root,O=Registry Example,C=DE',
    ]);
  });

  it('finds its way through certificates in any order, doubled, unrelated and unreadable', () => {
    const others = [cas.tsa, cas.tsaCa, cas.root, cas.issuing, makeCas().issuing].map(({ certificate }) => certificate);
    const intermediates = [Uint8Array.of(1, 2, 3), ...others, cas.issuing.certificate.der, leaf];
    expect(verify({ intermediates }).path).toHaveLength(3);
  });

  it('ends at the nearest anchor', () => {
    expect(verify({ anchors: [cas.root.certificate, cas.issuing.certificate] }).path).toHaveLength(2);
  });

  it('believes a leaf that is an anchor itself, within its dates and purposes, and no CA as a leaf', () => {
    const only = { intermediates: [], anchors: [leaf] };
    expect(verify(only).path).toEqual([leaf]);
    expect(() => verify({ ...only, eku: OID.timeStamping })).toThrow(fault('extended-key-usage'));
    expect(() => verify({ ...only, at: new Date(leaf.notAfter.getTime() + 1) })).toThrow(fault('expired'));
    expect(() => verify({ ...only, leaf: makeLeaf(cas).certificate })).toThrow(fault('no-path'));
    const ca = cas.issuing.certificate;
    expect(() => verify({ leaf: ca, intermediates: [], anchors: [ca] })).toThrow(fault('no-path'));
  });

  it('does not believe a root because the peer presents it', () => {
    const other = makeCas();
    const request = {
      leaf: makeLeaf(other).certificate,
      intermediates: [other.issuing.certificate, other.root.certificate],
    };
    expect(() => verify(request)).toThrow(fault('bad-signature'));
    expect(() => verify({ ...request, anchors: [makeCa('Other', undefined).certificate] })).toThrow(fault('no-path'));
    expect(() => verify({ anchors: [] })).toThrow(fault('no-path'));
    expect(() => verify({ intermediates: [] })).toThrow(fault('no-path'));
  });

  it('judges dates at the time asked for, both ends included', () => {
    expect(verify({ at: leaf.notBefore }).path).toHaveLength(3);
    expect(verify({ at: leaf.notAfter }).path).toHaveLength(3);
    expect(() => verify({ at: new Date(leaf.notBefore.getTime() - 1) })).toThrow(fault('not-yet-valid'));
    expect(() => verify({ at: new Date(leaf.notAfter.getTime() + 1) })).toThrow(fault('expired'));
    expect(() => verify({ at: new Date('2051-01-01T00:00:00Z') })).toThrow(fault('expired'));
    expect(() => verify({ at: new Date(NaN) })).toThrow(fault('not-yet-valid'));
  });

  it('wants the purpose in the leaf and in every CA that names any', () => {
    expect(() => verify({ eku: OID.timeStamping })).toThrow(fault('extended-key-usage'));
    expect(() => verify({ leaf: planted((spec) => withoutExtension(spec, OID.extendedKeyUsage)) })).toThrow(
      fault('extended-key-usage'),
    );
    const any = planted((spec) => withExtension(spec, extendedKeyUsage(OID.anyExtendedKeyUsage, false)));
    expect(() => verify({ leaf: any })).toThrow(fault('extended-key-usage'));
    const underTsa = makeLeaf({ ...cas, issuing: cas.tsaCa }).certificate;
    expect(() => verify({ leaf: underTsa, intermediates: [cas.tsaCa.certificate] })).toThrow(
      fault('extended-key-usage'),
    );
  });

  it('wants a leaf that may sign', () => {
    expect(() => verify({ leaf: planted((spec) => withExtension(spec, keyUsage('keyAgreement'))) })).toThrow(
      fault('key-usage'),
    );
  });

  it('refuses critical extensions it does not know, others not', () => {
    const extension = { oid: '1.2.3.4', value: Uint8Array.of(5, 0) };
    const critical = planted((spec) => withExtension(spec, { ...extension, critical: true }));
    expect(() => verify({ leaf: critical })).toThrow(fault('unknown-critical-extension'));
    expect(
      verify({ leaf: planted((spec) => withExtension(spec, { ...extension, critical: false })) }).path,
    ).toHaveLength(3);
  });

  it('refuses issuers that are no CAs or may not sign certificates', () => {
    const root = makeCa('R', undefined);
    const check = (change: (spec: CertificateSpec) => CertificateSpec) => {
      const middle = makeCa('M', root, change);
      const end = makeCa('E', middle);
      return () =>
        verifyPath({
          leaf: end.certificate,
          intermediates: [middle.certificate],
          anchors: [root.certificate],
          at: TEST_DAY,
        });
    };
    expect(check((spec) => spec)().path).toHaveLength(3);
    expect(check((spec) => withoutExtension(spec, OID.basicConstraints))).toThrow(fault('not-a-ca'));
    expect(check((spec) => withExtension(spec, keyUsage('digitalSignature')))).toThrow(fault('key-usage'));
  });

  it('counts the CAs between one with a path length and the leaf', () => {
    const root = makeCa('R', undefined, (spec) => withExtension(spec, caConstraints(1)));
    const a = makeCa('A', root);
    const b = makeCa('B', a);
    const verifyEnd = (last: TestIdentity) =>
      verifyPath({
        leaf: makeCa('E', last).certificate,
        intermediates: [a.certificate, b.certificate],
        anchors: [root.certificate],
        at: TEST_DAY,
      });
    expect(verifyEnd(a).path).toHaveLength(3);
    expect(() => verifyEnd(b)).toThrow(fault('path-length'));
  });

  it('tries another way when the first is not valid', () => {
    const root = makeCa('R', undefined);
    const middle = makeCa('M', root);
    const end = makeCa('E', middle);
    // The same CA again with the same key, but no longer valid.
    const expired = certify(
      'P-256',
      () => ({
        serial: nextSerial(),
        algorithm: 'ES256',
        issuer: root.certificate.subject.der,
        subject: middle.certificate.subject.der,
        notBefore: new Date('2020-01-01T00:00:00Z'),
        notAfter: new Date('2021-01-01T00:00:00Z'),
        spki: middle.certificate.spki,
        extensions: [caConstraints()],
      }),
      root,
    );
    const request = { leaf: end.certificate, anchors: [root.certificate], at: TEST_DAY };
    const way = [expired.certificate, middle.certificate];
    expect(verifyPath({ ...request, intermediates: way }).path[1]).toBe(middle.certificate);
    expect(() => verifyPath({ ...request, intermediates: [expired.certificate] })).toThrow(fault('expired'));
  });

  it('refuses a leaf with one bit flipped anywhere', () => {
    for (let i = 0; i < leaf.der.length; i += 7) {
      const flipped = leaf.der.slice();
      flipped[i]! ^= 1 << (i % 8);
      expect(() => verify({ leaf: flipped })).toThrow(
        expect.objectContaining({ code: expect.stringMatching(/^x509\//) }),
      );
    }
  });

  it('gives up on a mesh of CAs that leads nowhere', () => {
    // Four keys under one name, each certified by all: paths without end, every signature good.
    const subject = encodeSubject({ country: 'DE', organization: 'Mesh', commonName: 'M' });
    const members = [0, 1, 2, 3, 4, 5, 6].map(() =>
      makeCa('M', undefined, (spec) => ({ ...spec, subject, issuer: subject })),
    );
    const mesh = members.flatMap((issuer) =>
      members.map(
        (member) =>
          certify(
            'P-256',
            () => ({
              serial: nextSerial(),
              algorithm: 'ES256',
              issuer: subject,
              subject,
              notBefore: new Date('2025-01-01T00:00:00Z'),
              notAfter: new Date('2035-01-01T00:00:00Z'),
              spki: member.certificate.spki,
              extensions: [caConstraints()],
            }),
            issuer,
          ).certificate,
      ),
    );
    const end = makeCa('E', members[0]).certificate;
    const request = { leaf: end, intermediates: mesh, anchors: [cas.root.certificate], at: TEST_DAY };
    expect(() => verifyPath(request)).toThrow(fault('too-complex'));
    expect(() => verifyPath({ ...request, limits: { maxIntermediates: 8 } })).toThrow(fault('too-complex'));
  });

  it('asks for keys and signatures as strong as the purpose of the anchor wants', () => {
    const certificate = makeLeaf(cas, { keyType: 'RSA-2048' }).certificate;
    expect(() => verify({ leaf: certificate })).toThrow(fault('weak'));
    expect(() => verify({ leaf: certificate, strength: STRENGTH.timestamping })).toThrow(fault('weak'));
    expect(verify({ leaf: certificate, strength: STRENGTH['device-idevid'] }).path).toHaveLength(3);
    const only = (rules: Partial<StrengthRules>) => ({ strength: { ...STRENGTH['artifact-signing'], ...rules } });
    expect(verify(only({ keyTypes: new Set(['P-256', 'P-384']) })).path).toHaveLength(3);
    expect(() => verify(only({ keyTypes: new Set(['P-256']) }))).toThrow(fault('weak'));
    expect(() => verify(only({ signatures: new Set(['ES256']) }))).toThrow(fault('weak'));
  });

  it('judges no more paths than it may', () => {
    // One name and key certified many times, each time for a time long past: as many whole paths, none valid.
    const root = makeCa('R', undefined);
    const middle = makeCa('M', root);
    const end = makeCa('E', middle);
    const expired = Array.from(
      { length: 6 },
      () =>
        certify(
          'P-256',
          () => ({
            serial: nextSerial(),
            algorithm: 'ES256',
            issuer: root.certificate.subject.der,
            subject: middle.certificate.subject.der,
            notBefore: new Date('2020-01-01T00:00:00Z'),
            notAfter: new Date('2021-01-01T00:00:00Z'),
            spki: middle.certificate.spki,
            extensions: [caConstraints()],
          }),
          root,
        ).certificate,
    );
    const request = { leaf: end.certificate, intermediates: expired, anchors: [root.certificate], at: TEST_DAY };
    expect(() => verifyPath(request)).toThrow(fault('expired'));
    expect(() => verifyPath({ ...request, limits: { maxPaths: 5 } })).toThrow(fault('too-complex'));
    expect(() => verifyPath({ ...request, limits: { maxDepth: 2 } })).toThrow(fault('no-path'));
  });
});

describe('revocation', () => {
  const arl = makeCrl(cas.root, { scope: { holds: 'cas' } });
  const entry = {
    serialHex: leaf.serialHex,
    revokedAt: new Date('2026-05-01T00:00:00Z'),
    reason: 'keyCompromise' as const,
    invalidityDate: new Date('2026-04-01T00:00:00Z'),
  };

  it('is told with all its details', () => {
    const crls = [arl, makeCrl(cas.issuing, { entries: [entry] })];
    const revocation = { fingerprint: leaf.fingerprint, ...entry };
    expect(() => verify({ crls })).toThrow(expect.objectContaining({ code: 'x509/revoked', revocation }));
    const request = { certificate: leaf, issuers: [cas.issuing.certificate], crls: crls.map((crl) => parseCrl(crl)) };
    expect(findRevocation(request)).toEqual(revocation);
  });

  it('needs a CRL for every certificate below the anchor, unless told otherwise', () => {
    const crl = makeCrl(cas.issuing);
    expect(verify({ crls: [arl, crl] }).path).toHaveLength(3);
    expect(() => verify({ crls: [crl] })).toThrow(fault('no-crl'));
    expect(() => verify({ crls: [arl] })).toThrow(fault('no-crl'));
    expect(() => verify({ crls: [] })).toThrow(fault('no-crl'));
    expect(verify({ crls: [], missingCrl: 'accept' }).path).toHaveLength(3);
    expect(() => verify({ crls: [makeCrl(cas.issuing, { entries: [entry] })], missingCrl: 'accept' })).toThrow(
      fault('revoked'),
    );
  });

  it('reaches the issuing CA through the list of the root', () => {
    const { serialHex } = cas.issuing.certificate;
    const crls = [
      makeCrl(cas.root, { scope: { holds: 'cas' }, entries: [{ serialHex, revokedAt: TEST_DAY }] }),
      makeCrl(cas.issuing),
    ];
    expect(() => verify({ crls })).toThrow(fault('revoked'));
  });

  it('is not answered by another shard, another CA or a CRL of CAs', () => {
    const otherShard = makeCrl(cas.issuing, {
      scope: { holds: 'leaves', url: TEST_CRL_URL.replace('/0.crl', '/1.crl') },
      entries: [entry],
    });
    expect(() => verify({ crls: [arl, otherShard] })).toThrow(fault('no-crl'));
    const ofCas = makeCrl(cas.issuing, { scope: { holds: 'cas' }, entries: [entry] });
    expect(() => verify({ crls: [arl, ofCas] })).toThrow(fault('no-crl'));
    const forged = makeCrl({ key: makeCas().issuing.key, certificate: cas.issuing.certificate });
    expect(() => verify({ crls: [arl, forged] })).toThrow(fault('bad-signature'));
    expect(() => verify({ crls: [arl, makeCrl(makeCas().issuing)] })).toThrow(fault('bad-signature'));
  });

  it('judges the age of CRLs only when asked, and even an old one revokes', () => {
    const crls = [arl, makeCrl(cas.issuing)];
    const at = new Date('2026-06-02T00:00:00Z');
    expect(verify({ crls, at }).path).toHaveLength(3);
    expect(verify({ crls, staleCrl: 'refuse' }).path).toHaveLength(3);
    expect(() => verify({ crls, at, staleCrl: 'refuse' })).toThrow(fault('crl-stale'));
    expect(() => verify({ crls, at: new Date('2026-05-01T00:00:00Z'), staleCrl: 'refuse' })).toThrow(
      fault('crl-stale'),
    );
    const yearly = makeCrl(cas.root, { scope: { holds: 'cas' }, nextUpdate: new Date('2027-05-01T00:00:00Z') });
    const old = [yearly, makeCrl(cas.issuing, { entries: [entry] })];
    expect(() => verify({ crls: old, at, staleCrl: 'refuse' })).toThrow(fault('revoked'));
  });

  it('needs no CRL for a CI certificate, which promises to have none', () => {
    const ci = makeLeaf(cas, { assurance: 'ci', notBefore: TEST_DAY, notAfter: new Date('2026-06-02T00:00:00Z') });
    expect(verify({ leaf: ci.certificate, crls: [arl] }).path).toHaveLength(3);
  });
});
