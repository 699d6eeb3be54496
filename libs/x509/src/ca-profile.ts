import type { PublicKey } from '@margo-trust/crypto';
import { certificateSignatureAlgorithm } from './algorithm.ts';
import {
  authorityKeyIdentifier,
  caConstraints,
  caIssuers,
  crlDistributionPoint,
  endEntityConstraints,
  extendedKeyUsage,
  keyUsage,
  onlyUriNames,
  subjectKeyIdentifier,
} from './encode-extension.ts';
import type { Certificate, Extension } from './model.ts';
import { OID } from './oid.ts';
import { encodeSubject, type SubjectFields } from './subject.ts';
import type { CertificateSpec } from './tbs-certificate.ts';

export interface ProfileInput {
  readonly serial: Uint8Array;
  readonly subject: SubjectFields;
  /** Whole seconds. */
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly publicKey: PublicKey;
}

export interface SubordinateInput extends ProfileInput {
  readonly issuer: Certificate;
}

export interface IssuingCaInput extends SubordinateInput {
  /** Of the CRL for CAs of the issuer. */
  readonly crlUrl: string;
  /** Of the issuer's certificate. */
  readonly caIssuersUrl: string;
}

/** The anchor: self-issued, any path length, no purposes, nothing to fetch. */
export function rootProfile(input: ProfileInput): CertificateSpec {
  const subject = encodeSubject(input.subject);
  return {
    serial: input.serial,
    algorithm: certificateSignatureAlgorithm(input.publicKey),
    issuer: subject,
    subject,
    notBefore: input.notBefore,
    notAfter: input.notAfter,
    spki: input.publicKey.spki,
    extensions: [caConstraints(), keyUsage('keyCertSign', 'cRLSign'), subjectKeyIdentifier(input.publicKey)],
  };
}

/** The CA that issues leaves to vendors: code signing only, no CA below it, no names but URIs. */
export function issuingCaProfile(input: IssuingCaInput): CertificateSpec {
  return subordinate(input, [
    ...caExtensions(input, OID.codeSigning),
    onlyUriNames(),
    crlDistributionPoint(input.crlUrl),
    caIssuers(input.caIssuersUrl),
  ]);
}

/**
 * The CA of the time-stamping authority. Time stamps and code never share a CA, and nothing here needs to be fetched: a
 * stamp must verify years later, where no network is.
 */
export function tsaCaProfile(input: SubordinateInput): CertificateSpec {
  return subordinate(input, caExtensions(input, OID.timeStamping));
}

/**
 * The time-stamping authority itself (RFC 3161 §2.3): the purpose critical and alone.
 *
 * No CRL and nothing to fetch: were its certificate ever listed, Notation would refuse every stamp it has made.
 */
export function tsaProfile(input: SubordinateInput): CertificateSpec {
  return subordinate(input, [
    endEntityConstraints(),
    keyUsage('digitalSignature'),
    extendedKeyUsage(OID.timeStamping, true),
    subjectKeyIdentifier(input.publicKey),
    authorityKeyIdentifier(input.issuer),
  ]);
}

/** Names and algorithm as the issuer's certificate dictates them. */
export function subordinate(input: SubordinateInput, extensions: readonly Extension[]): CertificateSpec {
  return {
    serial: input.serial,
    algorithm: certificateSignatureAlgorithm(input.issuer.publicKey),
    issuer: input.issuer.subject.der,
    subject: encodeSubject(input.subject),
    notBefore: input.notBefore,
    notAfter: input.notAfter,
    spki: input.publicKey.spki,
    extensions,
  };
}

function caExtensions(input: SubordinateInput, purpose: string): Extension[] {
  return [
    caConstraints(0),
    keyUsage('keyCertSign', 'cRLSign'),
    extendedKeyUsage(purpose, false),
    subjectKeyIdentifier(input.publicKey),
    authorityKeyIdentifier(input.issuer),
  ];
}
