import {
  certificateSignatureAlgorithm,
  derBoolean,
  derImplicit,
  derInteger,
  derNamedBits,
  derOctetString,
  derOid,
  derPrimitive,
  derSequence,
  encodeSubject,
  OID,
  rootProfile,
  type Certificate,
  type CertificateSpec,
  type Extension,
  type SubjectFields,
} from '@margo-trust/x509';
import { encodeUtf8 } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { certify, nextSerial, withExtension, type TestIdentity } from './certificates.ts';
import type { KeyPairType } from './key.ts';

export interface OwnOptions {
  readonly subject?: Partial<SubjectFields>;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly keyType?: KeyPairType;
  /** Extended key usage; default: code signing. None when empty. */
  readonly purposes?: readonly string[];
  /** URIs of the subject alternative name. */
  readonly uris?: readonly string[];
  /** Plants a defect: changes the finished certificate before it is signed. */
  readonly change?: (spec: CertificateSpec) => CertificateSpec;
}

/** For tests that go by the clock on the wall: from yesterday on, for a thousand days. */
export function validNow(): Required<Pick<OwnOptions, 'notBefore' | 'notAfter'>> {
  const now = Math.floor(Date.now() / 1_000) * 1_000;
  return { notBefore: new Date(now - 86_400_000), notAfter: new Date(now + 1_000 * 86_400_000) };
}

/** A CA of a vendor's own: for code signing, with no CA below it, self-signed. It publishes no CRL. */
export function makeOwnCa(options: OwnOptions = {}): TestIdentity {
  const { keyType = 'P-384', change = (spec) => spec } = options;
  return certify(keyType, ({ publicKey }) => {
    const spec = rootProfile({ ...described(options, 'Own Code Signing CA'), serial: nextSerial(), publicKey });
    return change(
      withPurposes(
        withExtension(spec, extension(OID.basicConstraints, derSequence(derBoolean(true), derInteger(0)), true)),
        options.purposes ?? [OID.codeSigning],
      ),
    );
  });
}

/** A signing certificate that such a CA has issued; without `issuer` one that stands alone. */
export function makeOwnLeaf(issuer: TestIdentity | undefined, options: OwnOptions = {}): TestIdentity {
  const { keyType = 'P-256', uris = [], change = (spec) => spec } = options;
  return certify(
    keyType,
    ({ publicKey }) => {
      const { subject, ...dates } = described(options, 'Own Releases');
      const name = encodeSubject(subject);
      const spec: CertificateSpec = {
        ...{ ...dates, serial: nextSerial(), subject: name, spki: publicKey.spki },
        algorithm: certificateSignatureAlgorithm(issuer?.certificate.publicKey ?? publicKey),
        issuer: issuer?.certificate.subject.der ?? name,
        extensions: [
          extension(OID.basicConstraints, derSequence(), true),
          extension(OID.keyUsage, derNamedBits([0]), true),
          extension(OID.subjectKeyIdentifier, derOctetString(sha256(publicKey.spki).slice(0, 20))),
          ...(issuer ? [authorityKey(issuer.certificate)] : []),
          ...(uris.length > 0 ? [extension(OID.subjectAltName, derSequence(...uris.map(uriName)))] : []),
        ],
      };
      return change(withPurposes(spec, options.purposes ?? [OID.codeSigning]));
    },
    issuer,
  );
}

function described({ subject, notBefore, notAfter }: OwnOptions, commonName: string) {
  return {
    subject: { country: 'DE', state: 'Hessen', organization: 'Acme Industrial GmbH', commonName, ...subject },
    notBefore: notBefore ?? new Date('2026-01-01T00:00:00Z'),
    notAfter: notAfter ?? new Date('2031-01-01T00:00:00Z'),
  };
}

function withPurposes(spec: CertificateSpec, purposes: readonly string[]): CertificateSpec {
  if (purposes.length === 0) return spec;
  // Critical, as RFC 3161 §2.3 asks of time-stamping authorities; nobody minds elsewhere.
  return withExtension(spec, extension(OID.extendedKeyUsage, derSequence(...purposes.map(derOid)), true));
}

function authorityKey({ ski }: Certificate): Extension {
  if (!ski) throw new Error('The CA has no subject key identifier.');
  return extension(OID.authorityKeyIdentifier, derSequence(derImplicit(0, derOctetString(ski))));
}

function uriName(uri: string): Uint8Array {
  return derPrimitive(0x86, encodeUtf8(uri));
}

function extension(oid: string, value: Uint8Array, critical = false): Extension {
  return { oid, critical, value };
}
