import { readdirSync, readFileSync } from 'node:fs';
import { parseHex } from '@margo-trust/bytes';
import { describe, expect, it } from 'vitest';
import {
  makeCas,
  makeCrl,
  makeKey,
  makeLeaf,
  plainExtension,
  signPlainCertificate,
  signPlainCrl,
  TEST_CRL_URL,
  TEST_DAY,
  withExtension,
  withoutExtension,
  type PlainCertificate,
  type TestIdentity,
} from '@margo-trust/testkit';
import {
  assembleSigned,
  certificateSignatureAlgorithm,
  derSequence,
  encodeTbsCertificate,
  lintCa,
  lintCrl,
  lintLeaf,
  lintTsa,
  OID,
  type CertificateSpec,
} from '../src/index.ts';
import {
  caConstraints,
  caIssuers,
  crlDistributionPoint,
  extendedKeyUsage,
  keyUsage,
  onlyUriNames,
} from '../src/encode-extension.ts';
import type { Rule } from '../src/profile/rule.ts';

type AnyRule = Rule<never, never>;

const cas = makeCas();
const { root, issuing, tsaCa, tsa } = cas;
const leaf = makeLeaf(cas);
const folder = new URL('../src/profile/', import.meta.url);
const ruleFiles = readdirSync(folder).filter((name) => name !== 'rule.ts');

type Change = (spec: CertificateSpec) => CertificateSpec;

/** The same certificate with one thing changed, signed again. */
function changed({ certificate }: TestIdentity, signer: TestIdentity, change: Change): Uint8Array {
  const algorithm = certificateSignatureAlgorithm(signer.certificate.publicKey);
  const spec = change({
    serial: parseHex(certificate.serialHex),
    algorithm,
    issuer: certificate.issuer.der,
    subject: certificate.subject.der,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    spki: certificate.spki,
    extensions: certificate.extensions,
  });
  const tbs = encodeTbsCertificate(spec);
  return assembleSigned(tbs, algorithm, signer.key.sign(tbs, algorithm));
}

/** A leaf as the profile's writer would refuse to make it. */
function plainLeaf(change: Partial<PlainCertificate>): Uint8Array {
  const { certificate } = leaf;
  const plain = {
    serial: parseHex(certificate.serialHex),
    issuer: certificate.issuer.der,
    subject: certificate.subject.der,
    notBefore: certificate.notBefore,
    notAfter: certificate.notAfter,
    spki: certificate.spki,
    extensions: certificate.extensions,
  };
  return signPlainCertificate({ ...plain, ...change }, issuing.key);
}

const ofRoot = (change: Change) => lintCa(changed(root, root, change), { purpose: 'root' });
const ofIssuing = (change: Change) =>
  lintCa(changed(issuing, root, change), { purpose: 'issuing', issuer: root.certificate });
const ofTsa = (change: Change) => lintTsa(changed(tsa, tsaCa, change), { issuer: tsaCa.certificate });
const ofLeaf = (der: Uint8Array) => lintLeaf(der, { issuer: issuing.certificate, registry: cas.registry });
const ofCrl = (der: Uint8Array) =>
  lintCrl(der, { issuer: issuing.certificate, scope: { holds: 'leaves', url: TEST_CRL_URL } });
const unchanged: Change = (spec) => spec;

describe('lint', () => {
  it('finds nothing in what keeps the profile', () => {
    const found = [ofRoot(unchanged), ofIssuing(unchanged), ofTsa(unchanged), ofLeaf(plainLeaf({}))];
    expect([...found, ofCrl(makeCrl(issuing))].flat()).toEqual([]);
  });

  // Those for leaves and CRLs beside their profiles: profile.test.ts, crl.test.ts, sct.test.ts.
  it.each<[string, string[]]>([
    ['ca-subject-is-plain', ofIssuing((spec) => ({ ...spec, subject: derSequence() }))],
    ['ca-limits-depth', ofIssuing((spec) => withExtension(spec, caConstraints(1)))],
    ['ca-limits-depth', ofIssuing((spec) => withExtension(spec, { ...caConstraints(0), critical: false }))],
    ['ca-limits-depth', ofRoot((spec) => withExtension(spec, caConstraints(0)))],
    ['ca-key-only-certifies', ofIssuing((spec) => withExtension(spec, keyUsage('keyCertSign')))],
    ['ca-key-only-certifies', ofRoot((spec) => withoutExtension(spec, OID.keyUsage))],
    ['ca-key-is-p384', ofIssuing((spec) => ({ ...spec, spki: makeKey('P-256').publicKey.spki }))],
    ['ca-has-one-purpose', ofIssuing((spec) => withExtension(spec, extendedKeyUsage(OID.timeStamping, false)))],
    ['ca-has-one-purpose', ofRoot((spec) => withExtension(spec, extendedKeyUsage(OID.codeSigning, false)))],
    ['ca-constrains-names', ofIssuing((spec) => withoutExtension(spec, OID.nameConstraints))],
    ['ca-constrains-names', ofIssuing((spec) => withExtension(spec, { ...onlyUriNames(), critical: false }))],
    ['ca-constrains-names', ofRoot((spec) => withExtension(spec, onlyUriNames()))],
    ['ca-publishes-fitly', ofIssuing((spec) => withoutExtension(spec, OID.crlDistributionPoints))],
    ['ca-publishes-fitly', ofRoot((spec) => withExtension(spec, caIssuers('http://registry.example/ca.crt')))],
    ['tsa-only-stamps', ofTsa((spec) => withExtension(spec, extendedKeyUsage(OID.timeStamping, false)))],
    ['tsa-only-stamps', ofTsa((spec) => withExtension(spec, extendedKeyUsage(OID.codeSigning, true)))],
    ['tsa-needs-no-network', ofTsa((spec) => withExtension(spec, crlDistributionPoint(TEST_CRL_URL)))],
    ['certificate-is-version-3', ofLeaf(plainLeaf({ version: 1 }))],
    ['serial-has-fixed-length', ofLeaf(plainLeaf({ serial: Uint8Array.of(0x41) }))],
    [
      'crl-has-number',
      ofCrl(
        signPlainCrl(
          {
            issuer: issuing.certificate.subject.der,
            thisUpdate: TEST_DAY,
            nextUpdate: new Date('2026-06-02T00:00:00Z'),
            extensions: [
              plainExtension.authorityKeyId(issuing.certificate.ski!),
              plainExtension.issuingDistributionPoint({ url: TEST_CRL_URL, only: 'leaves' }),
            ],
          },
          issuing.key,
        ),
      ),
    ],
  ])('finds what breaks %s', (rule, findings) => {
    expect(findings.map((finding) => finding.split(':')[0])).toContain(rule);
  });

  it.each(ruleFiles)('%s is one rule of that name, with its source, and some test breaks it', async (file) => {
    const exported = Object.values((await import(new URL(file, folder).href)) as Record<string, Partial<AnyRule>>);
    const rules = exported.filter(({ check }) => check !== undefined);
    expect(rules).toHaveLength(1);
    expect(`${rules[0]?.name}.ts`).toBe(file);
    expect(rules[0]?.source).toMatch(/RFC \d{4} §|CSBR §|Margo certificate profile|Fulcio/);
    const tests = ['lint', 'profile', 'crl', 'sct'].map((name) =>
      readFileSync(new URL(`${name}.test.ts`, import.meta.url), 'utf8'),
    );
    expect(tests.some((text) => text.includes(rules[0]?.name ?? file))).toBe(true);
  });
});
