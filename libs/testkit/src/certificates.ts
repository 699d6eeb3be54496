import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import {
  assembleSigned,
  certificateSignatureAlgorithm,
  encodeTbsCertificate,
  encodeTbsCrl,
  issuingCaProfile,
  leafProfile,
  parseCertificate,
  rootProfile,
  shapeSerial,
  tsaCaProfile,
  tsaProfile,
  type Certificate,
  type CertificateSpec,
  type CrlSpec,
  type Extension,
  type LeafInput,
  type WorkloadFields,
} from '@margo-trust/x509';
import { makeKey, type KeyPair, type KeyPairType } from './key.ts';

/** A certificate and the key in it. */
export interface TestIdentity {
  readonly key: KeyPair;
  readonly certificate: Certificate;
}

export interface TestCas {
  /** `https://<domain>` */
  readonly registry: string;
  readonly root: TestIdentity;
  readonly issuing: TestIdentity;
  readonly tsaCa: TestIdentity;
  readonly tsa: TestIdentity;
}

/** A day on which every certificate made here is valid unless it was asked for otherwise. */
export const TEST_DAY = new Date('2026-06-01T00:00:00Z');
export const TEST_VENDOR_ID = '01jx0000000000000000000000';
export const TEST_CRL_URL = 'http://registry.example/crl/issuing-1/0.crl';

/** Root, issuing CA, time-stamping CA and authority by the profiles, for `https://registry.example`. */
export function makeCas(registry = 'https://registry.example'): TestCas {
  const named = (commonName: string) => ({ country: 'DE', organization: 'Registry Example', commonName });
  const years = (from: number, to: number) => ({
    notBefore: new Date(Date.UTC(from, 0, 1)),
    notAfter: new Date(Date.UTC(to, 0, 1)),
  });
  const published = {
    crlUrl: 'http://registry.example/crl/root/0.crl',
    caIssuersUrl: 'http://registry.example/ca/root.crt',
  };
  const root = certify('P-384', (key) =>
    rootProfile({ serial: nextSerial(), subject: named('Root'), publicKey: key.publicKey, ...years(2025, 2050) }),
  );
  const issuer = root.certificate;
  const issuing = certify(
    'P-384',
    ({ publicKey }) =>
      issuingCaProfile({
        ...{ serial: nextSerial(), subject: named('Issuing CA 1'), publicKey, issuer },
        ...years(2025, 2035),
        ...published,
      }),
    root,
  );
  const tsaCa = certify(
    'P-384',
    ({ publicKey }) =>
      tsaCaProfile({ serial: nextSerial(), subject: named('TSA CA'), publicKey, issuer, ...years(2025, 2040) }),
    root,
  );
  const tsa = certify(
    'P-256',
    ({ publicKey }) =>
      tsaProfile({
        ...{ serial: nextSerial(), subject: named('TSA 1'), publicKey, issuer: tsaCa.certificate },
        ...years(2026, 2036),
      }),
    tsaCa,
  );
  return { registry, root, issuing, tsaCa, tsa };
}

/** A build of a repository on GitHub, as CI certificates name it. */
export const TEST_WORKLOAD: WorkloadFields = {
  issuer: 'https://token.actions.githubusercontent.com',
  subject: 'repo:acme/app:ref:refs/heads/main',
  facts: { sourceRepositoryUri: 'https://github.com/acme/app', buildTrigger: 'push' },
};

export interface LeafOptions extends Partial<Omit<LeafInput, 'publicKey' | 'issuer'>> {
  readonly keyType?: KeyPairType;
  /** Plants a defect: changes the finished profile before it is signed. */
  readonly change?: (spec: CertificateSpec) => CertificateSpec;
}

/** A vendor's certificate by the profile, with what was asked to be different. */
export function makeLeaf(cas: TestCas, options: LeafOptions = {}): TestIdentity {
  const { keyType, change, ...input } = options;
  const spec = (key: KeyPair) =>
    leafProfile({
      serial: nextSerial(),
      subject: { country: 'DE', state: 'Hessen', organization: 'Acme Industrial GmbH', commonName: 'Acme Releases' },
      notBefore: new Date('2026-01-01T00:00:00Z'),
      notAfter: new Date('2027-02-01T00:00:00Z'),
      vendorUri: `https://${TEST_VENDOR_ID}.vendors.${cas.registry.slice('https://'.length)}/`,
      registry: cas.registry,
      assurance: 'software',
      crlUrl: TEST_CRL_URL,
      caIssuersUrl: 'http://registry.example/ca/issuing-1.crt',
      ...(input.assurance === 'ci' && { workload: TEST_WORKLOAD }),
      ...input,
      publicKey: key.publicKey,
      issuer: cas.issuing.certificate,
    });
  return certify(keyType ?? 'P-256', (key) => (change ? change(spec(key)) : spec(key)), cas.issuing);
}

/** Makes a key, the specification for it, and the certificate, signed by `issuer` or else by the key itself. */
export function certify(
  keyType: KeyPairType,
  specify: (key: KeyPair) => CertificateSpec,
  issuer?: TestIdentity,
): TestIdentity {
  const key = makeKey(keyType);
  const spec = specify(key);
  const tbs = encodeTbsCertificate(spec);
  const signature = (issuer?.key ?? key).sign(tbs, spec.algorithm);
  return { key, certificate: parseCertificate(assembleSigned(tbs, spec.algorithm, signature)) };
}

/** A signed CRL of the CA; of the leaves at `TEST_CRL_URL` if not told otherwise. */
export function makeCrl(ca: TestIdentity, spec: Partial<Omit<CrlSpec, 'issuer'>> = {}): Uint8Array {
  const tbs = encodeTbsCrl({
    issuer: ca.certificate,
    number: 1n,
    thisUpdate: new Date('2026-05-31T18:00:00Z'),
    nextUpdate: new Date('2026-06-01T18:00:00Z'),
    entries: [],
    scope: { holds: 'leaves', url: TEST_CRL_URL },
    ...spec,
  });
  const algorithm = certificateSignatureAlgorithm(ca.certificate.publicKey);
  return assembleSigned(tbs, algorithm, ca.key.sign(tbs, algorithm));
}

export function withExtension(spec: CertificateSpec, extension: Extension): CertificateSpec {
  return { ...spec, extensions: [...withoutExtension(spec, extension.oid).extensions, extension] };
}

export function withoutExtension(spec: CertificateSpec, oid: string): CertificateSpec {
  return { ...spec, extensions: spec.extensions.filter((extension) => extension.oid !== oid) };
}

let serials = 0;

/** Different at each call, the same in each run. */
export function nextSerial(): Uint8Array {
  return shapeSerial(sha256(encodeUtf8(`serial ${serials++}`)).slice(0, 16));
}
