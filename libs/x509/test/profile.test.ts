import { X509Certificate } from 'node:crypto';
import { encodeUtf8 } from '@margo-trust/bytes';
import { describe, expect, it } from 'vitest';
import {
  certify,
  makeCas,
  makeCrl,
  makeKey,
  makeLeaf,
  nextSerial,
  openssl,
  TEST_CRL_URL,
  TEST_DAY,
  TEST_VENDOR_ID,
  TEST_WORKLOAD,
  withExtension,
  withoutExtension,
  type LeafOptions,
} from '@margo-trust/testkit';
import {
  derOid,
  derPrimitive,
  derSequence,
  encodePem,
  encodeSubject,
  encodeTbsCertificate,
  lintCa,
  lintLeaf,
  lintTsa,
  OID,
  parseCertificate,
  readAssurance,
  readWorkload,
  rootProfile,
  shapeSerial,
  TAG,
  verifyPath,
  type Certificate,
  type CertificateSpec,
} from '../src/index.ts';
import { caConstraints, keyUsage } from '../src/encode-extension.ts';

const cas = makeCas();
const leaf = makeLeaf(cas);
const context = { issuer: cas.issuing.certificate, registry: cas.registry };

const pem = ({ der }: Certificate) => encodePem('CERTIFICATE', der);
const seconds = (time: Date) => `${time.getTime() / 1000}`;

/** What `openssl verify` says of a chain, with both CRLs. */
function opensslVerify(certificate: Certificate, extra: readonly string[] = []) {
  const args = ['verify', '-x509_strict', '-crl_check_all', '-attime', seconds(TEST_DAY), '-CAfile', 'root.pem'];
  return openssl([...args, '-CRLfile', 'crls.pem', '-untrusted', 'issuing.pem', ...extra, 'leaf.pem'], {
    'root.pem': pem(cas.root.certificate),
    'issuing.pem': pem(cas.issuing.certificate),
    'leaf.pem': pem(certificate),
    'crls.pem': [makeCrl(cas.root, { scope: { holds: 'cas' } }), makeCrl(cas.issuing)]
      .map((crl) => encodePem('X509 CRL', crl))
      .join(''),
  });
}

describe('the leaf profile', () => {
  it.each(['P-256', 'P-384', 'RSA-3072'] as const)('passes our lint and openssl -x509_strict with %s', (keyType) => {
    const { certificate } = makeLeaf(cas, { keyType });
    expect(lintLeaf(certificate.der, context)).toEqual([]);
    const { isOk, output } = opensslVerify(certificate);
    expect(output).toBe('leaf.pem: OK\n');
    expect(isOk).toBe(true);
  });

  it('holds exactly the extensions of the profile, as openssl prints them', () => {
    const args = ['x509', '-inform', 'DER', '-in', 'leaf.der', '-noout', '-text', '-nameopt', 'RFC2253,utf8'];
    const { output } = openssl(args, { 'leaf.der': leaf.certificate.der });
    expect(output).toContain('Subject: CN=Acme Releases,O=Acme Industrial GmbH,ST=Hessen,C=DE');
    expect(output).toContain('Signature Algorithm: ecdsa-with-SHA384');
    expect(output).toMatch(/Basic Constraints: critical\n +CA:FALSE\n/);
    expect(output).toMatch(/Key Usage: critical\n +Digital Signature\n/);
    expect(output).toMatch(/Extended Key Usage: \n +Code Signing\n/);
    expect(output).toContain(`URI:https://${TEST_VENDOR_ID}.vendors.registry.example/\n`);
    expect(output).toContain('Policy: 1.3.6.1.4.1.32473.1.2\n');
    expect(output).toContain(`URI:${TEST_CRL_URL}\n`);
    expect(output).toMatch(/CA Issuers - URI:http:\/\/registry\.example\/ca\/issuing-1\.crt\n/);
    expect(output).toMatch(/1\.3\.6\.1\.4\.1\.57264\.1\.1: \n +https:\/\/registry\.example\n/);
    expect(output).toMatch(/1\.3\.6\.1\.4\.1\.57264\.1\.8: \n +\.\.https:\/\/registry\.example\n/);
    expect(output).not.toContain('OCSP');
    expect(leaf.certificate.extensions).toHaveLength(11);
  });

  it('reads back as node reads it', () => {
    const theirs = new X509Certificate(leaf.certificate.der);
    const ours = leaf.certificate;
    expect(ours.serialHex).toBe(theirs.serialNumber.toLowerCase());
    expect(ours.fingerprint).toBe(theirs.fingerprint256.replaceAll(':', '').toLowerCase());
    expect([ours.notBefore, ours.notAfter]).toEqual([new Date(theirs.validFrom), new Date(theirs.validTo)]);
    expect(theirs.subjectAltName).toBe(`URI:${ours.uriSans[0]}`);
    expect(ours.spki).toEqual(new Uint8Array(theirs.publicKey.export({ format: 'der', type: 'spki' })));
  });

  it('gives CI certificates noRevAvail in place of a CRL', () => {
    const { certificate } = makeLeaf(cas, { assurance: 'ci', notAfter: new Date('2026-01-02T00:00:00Z') });
    expect(lintLeaf(certificate.der, context)).toEqual([]);
    expect(certificate.crlUrls).toEqual([]);
    expect(certificate.extensions.find(({ oid }) => oid === OID.noRevAvail)?.value).toEqual(Uint8Array.of(5, 0));
  });

  it('names the build in CI certificates, by the numbers that Fulcio gave its facts', () => {
    const { certificate } = makeLeaf(cas, { assurance: 'ci', notAfter: new Date('2026-01-02T00:00:00Z') });
    expect(readAssurance(certificate)).toBe('ci');
    expect(readWorkload(certificate)).toEqual(TEST_WORKLOAD);
    const text = (place: string) =>
      certificate.extensions.find(({ oid }) => oid === `1.3.6.1.4.1.57264.1.${place}`)?.value;
    expect(text('12')).toEqual(derPrimitive(TAG.utf8, encodeUtf8('https://github.com/acme/app')));
    expect(text('20')).toEqual(derPrimitive(TAG.utf8, encodeUtf8('push')));
    expect(text('24')).toEqual(derPrimitive(TAG.utf8, encodeUtf8('repo:acme/app:ref:refs/heads/main')));
    expect(readWorkload(makeLeaf(cas).certificate)).toBeUndefined();
  });

  it('certifies no build without its name, and names builds nowhere else', () => {
    const facts = { ...TEST_WORKLOAD.facts, buildTrigger: 'x'.repeat(1_001) };
    for (const input of [
      { assurance: 'ci' as const, workload: undefined as never },
      { assurance: 'software' as const, workload: TEST_WORKLOAD },
      { assurance: 'ci' as const, workload: { ...TEST_WORKLOAD, subject: '' } },
      { assurance: 'ci' as const, workload: { ...TEST_WORKLOAD, facts } },
    ]) {
      expect(() => makeLeaf(cas, input)).toThrow(expect.objectContaining({ code: 'x509/invalid-spec' }));
    }
  });

  const removed = (oid: string) => ({ change: (spec: CertificateSpec) => withoutExtension(spec, oid) });
  const added = (oid: string, value: Uint8Array, critical = false) => ({
    change: (spec: CertificateSpec) => withExtension(spec, { oid, critical, value }),
  });
  const subject = { country: 'DE', state: 'Hessen', organization: 'Acme', commonName: 'Acme' };
  const noState = encodeSubject({ country: 'DE', organization: 'Acme', commonName: 'Acme' });
  const utf8Uri = (uri: string) =>
    derSequence(Uint8Array.of(0x86, uri.length, ...[...uri].map((char) => char.charCodeAt(0))));

  it.each<[string, LeafOptions]>([
    ['leaf-subject-has-four-fields', { change: (spec) => ({ ...spec, subject: noState }) }],
    ['leaf-common-name-is-no-host', { subject: { ...subject, commonName: 'acme.example' } }],
    ['leaf-has-one-vendor-uri', removed(OID.subjectAltName)],
    ['leaf-has-one-vendor-uri', added(OID.subjectAltName, utf8Uri('https://vendors.registry.example/'))],
    ['leaf-has-one-vendor-uri', added(OID.subjectAltName, derSequence(Uint8Array.of(0x82, 1, 0x61)))],
    ['leaf-is-no-ca', { change: (spec) => withExtension(spec, caConstraints(0)) }],
    ['leaf-is-no-ca', removed(OID.basicConstraints)],
    ['leaf-key-only-signs', { change: (spec) => withExtension(spec, keyUsage('digitalSignature', 'nonRepudiation')) }],
    ['leaf-key-only-signs', removed(OID.keyUsage)],
    ['leaf-signs-code-only', removed(OID.extendedKeyUsage)],
    ['leaf-signs-code-only', added(OID.extendedKeyUsage, derSequence(derOid(OID.codeSigning), derOid(OID.clientAuth)))],
    ['leaf-key-is-strong', { keyType: 'RSA-2048' }],
    ['leaf-key-is-strong', { keyType: 'P-521' }],
    ['leaf-key-is-strong', { keyType: 'Ed25519' }],
    ['leaf-states-assurance', removed(OID.certificatePolicies)],
    ['leaf-states-assurance', { policyArc: '1.2.3' }],
    ['leaf-lives-short-enough', { notAfter: new Date('2027-04-06T00:00:00Z') }],
    ['leaf-lives-short-enough', { assurance: 'ci' }],
    ['leaf-can-be-revoked', removed(OID.crlDistributionPoints)],
    ['leaf-can-be-revoked', added(OID.noRevAvail, Uint8Array.of(5, 0))],
    ['issuer-can-be-fetched', removed(OID.authorityInfoAccess)],
    [
      'issuer-can-be-fetched',
      added(OID.authorityInfoAccess, derSequence(derSequence(derOid(OID.ocsp), Uint8Array.of(0x86, 1, 0x61)))),
    ],
    ['leaf-names-registry', removed(OID.sigstoreIssuerV1)],
    ['leaf-names-registry', { registry: 'https://registry.example', ...removed(OID.sigstoreIssuerV2) }],
    ['leaf-names-workload', added(OID.sigstoreTokenSubject, derPrimitive(TAG.utf8, Uint8Array.of(0x61)))],
    ['leaf-names-workload', { assurance: 'ci', ...removed(OID.sigstoreTokenSubject) }],
    ['leaf-names-workload', { assurance: 'ci', ...added(OID.sigstoreTokenSubject, Uint8Array.of(5, 0)) }],
    ['leaf-has-no-other-extension', added('1.2.3.4', Uint8Array.of(5, 0))],
    ['leaf-has-no-other-extension', added(OID.certificatePolicies, derSequence(derSequence(derOid('1.2'))), true)],
    ['key-identifiers-link', removed(OID.subjectKeyIdentifier)],
    ['key-identifiers-link', removed(OID.authorityKeyIdentifier)],
    ['dates-lie-within-issuer', { notBefore: new Date('2024-12-31T23:59:59Z'), notAfter: new Date('2026-01-01') }],
    [
      'issuer-name-is-copied',
      { change: (spec) => ({ ...spec, issuer: encodeSubject({ ...subject, commonName: 'Other' }) }) },
    ],
  ])('is held by %s', (rule, options) => {
    const findings = lintLeaf(makeLeaf(cas, options).certificate.der, context);
    expect(findings.map((finding) => finding.split(':')[0])).toContain(rule);
  });

  it('is held by signature-fits-issuer-key', () => {
    const other = { ...context, issuer: { ...cas.issuing.certificate, publicKey: cas.root.key.publicKey } };
    expect(lintLeaf(leaf.certificate.der, other)).toEqual([expect.stringMatching(/^signature-fits-issuer-key: /)]);
  });

  it('refuses what it must not be asked for', () => {
    const invalid = expect.objectContaining({ code: 'x509/invalid-spec' });
    expect(() => makeLeaf(cas, { vendorUri: 'https://evil.example/' })).toThrow(invalid);
    expect(() => makeLeaf(cas, { vendorUri: `https://${TEST_VENDOR_ID}.vendors.registry.example.evil/` })).toThrow(
      invalid,
    );
    expect(() => makeLeaf(cas, { crlUrl: 'https://registry.example/0.crl' })).toThrow(invalid);
    expect(() => makeLeaf(cas, { serial: new Uint8Array(16) })).toThrow(invalid);
    expect(() => makeLeaf(cas, { serial: new Uint8Array(20).fill(0x41) })).toThrow(invalid);
    expect(() => makeLeaf(cas, { notAfter: new Date('2025-01-01T00:00:00Z') })).toThrow(invalid);
    expect(() => makeLeaf(cas, { notAfter: new Date('2026-07-01T00:00:00.500Z') })).toThrow(invalid);
    const { state: _, ...stateless } = subject;
    expect(() => makeLeaf(cas, { subject: stateless })).toThrow(invalid);
  });
});

describe('the subject', () => {
  const subject = { country: 'DE', state: 'Hessen', organization: 'Acme', commonName: 'Acme' };

  it.each([
    { country: 'de' },
    { country: 'DEU' },
    { state: '' },
    { organization: 'A=#1 Robotics' },
    { organization: 'Ac\u0000me' },
    { organization: 'Ac\u202eme' },
    { organization: 'Ac\ud800me' },
    { organization: 'x'.repeat(65) },
    { state: 'x'.repeat(129) },
    { commonName: ' Acme' },
    { commonName: 'Acme\n' },
  ])('refuses %j', (change) => {
    expect(() => encodeSubject({ ...subject, ...change })).toThrow(
      expect.objectContaining({ code: 'x509/invalid-spec' }),
    );
  });

  it('counts characters and not code units', () => {
    expect(encodeSubject({ ...subject, organization: '🏭'.repeat(64) })).toBeInstanceOf(Uint8Array);
  });
});

describe('the CA profiles', () => {
  it('pass our lint', () => {
    const { root, issuing, tsaCa, tsa } = cas;
    expect(lintCa(root.certificate.der, { purpose: 'root' })).toEqual([]);
    expect(lintCa(issuing.certificate.der, { purpose: 'issuing', issuer: root.certificate })).toEqual([]);
    expect(lintCa(tsaCa.certificate.der, { purpose: 'tsa', issuer: root.certificate })).toEqual([]);
    expect(lintTsa(tsa.certificate.der, { issuer: tsaCa.certificate })).toEqual([]);
  });

  it('are not taken for one another', () => {
    const { root, issuing, tsaCa, tsa } = cas;
    expect(lintCa(issuing.certificate.der, { purpose: 'tsa', issuer: root.certificate })).not.toEqual([]);
    expect(lintCa(tsaCa.certificate.der, { purpose: 'issuing', issuer: root.certificate })).not.toEqual([]);
    expect(lintCa(root.certificate.der, { purpose: 'issuing' })).not.toEqual([]);
    expect(lintTsa(leaf.certificate.der, { issuer: issuing.certificate })).not.toEqual([]);
    expect(lintLeaf(tsa.certificate.der, { ...context, issuer: tsaCa.certificate })).not.toEqual([]);
  });

  it('satisfy openssl -x509_strict, time stamping included', () => {
    const args = ['verify', '-x509_strict', '-purpose', 'timestampsign', '-attime', seconds(TEST_DAY)];
    const { output } = openssl([...args, '-CAfile', 'root.pem', '-untrusted', 'ca.pem', 'tsa.pem'], {
      'root.pem': pem(cas.root.certificate),
      'ca.pem': pem(cas.tsaCa.certificate),
      'tsa.pem': pem(cas.tsa.certificate),
    });
    expect(output).toBe('tsa.pem: OK\n');
  });

  it('constrain names as openssl and we understand it', () => {
    const named = (tag: number, value: Uint8Array) =>
      makeLeaf(cas, {
        change: (spec) =>
          withExtension(spec, {
            oid: OID.subjectAltName,
            critical: false,
            value: derSequence(Uint8Array.of(tag, value.length, ...value)),
          }),
      }).certificate;
    const ascii = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
    for (const certificate of [
      named(0x82, ascii('acme.example')),
      named(0x81, ascii('a@acme.example')),
      named(0x87, Uint8Array.of(10, 0, 0, 1)),
    ]) {
      expect(() =>
        verifyPath({
          leaf: certificate,
          intermediates: [cas.issuing.certificate],
          anchors: [cas.root.certificate],
          at: TEST_DAY,
        }),
      ).toThrow(expect.objectContaining({ code: 'x509/name-constraints' }));
      expect(opensslVerify(certificate).output).toMatch(/excluded subtree violation|permitted subtree violation/);
    }
  });

  it('make a common name that looks like a host fail in openssl, which is why lint refuses it', () => {
    const subject = { country: 'DE', state: 'Hessen', organization: 'Acme', commonName: 'acme.example' };
    expect(opensslVerify(makeLeaf(cas, { subject }).certificate).output).toMatch(/excluded subtree violation/);
  });
});

describe('serial numbers', () => {
  it('are positive and of one length whatever the random octets', () => {
    for (const octet of [0x00, 0x3f, 0x80, 0xff]) {
      const [first] = shapeSerial(new Uint8Array(16).fill(octet));
      expect(first! >= 0x40 && first! <= 0x7f).toBe(true);
    }
  });
});

it('lints a certificate before its CA signs, with a throw-away key', () => {
  const trial = makeKey('P-384');
  const issuer = { ...cas.issuing.certificate, publicKey: trial.publicKey };
  const { certificate } = makeLeaf({ ...cas, issuing: { key: trial, certificate: cas.issuing.certificate } });
  expect(lintLeaf(certificate.der, { ...context, issuer })).toEqual([]);
});

it('encodes a root whose TBS is the same each time', () => {
  const { publicKey } = makeKey('P-384');
  const spec = rootProfile({
    serial: nextSerial(),
    subject: { country: 'DE', organization: 'Registry Example', commonName: 'Root' },
    notBefore: new Date('2025-01-01T00:00:00Z'),
    notAfter: new Date('2050-01-01T00:00:00Z'),
    publicKey,
  });
  expect(encodeTbsCertificate(spec)).toEqual(encodeTbsCertificate(spec));
  expect(parseCertificate(certify('P-384', () => spec).certificate.der).notAfter.getUTCFullYear()).toBe(2050);
});
