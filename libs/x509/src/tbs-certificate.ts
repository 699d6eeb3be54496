import type { SignatureAlgorithm } from '@margo-trust/crypto';
import { encodeSignatureAlgorithm } from './algorithm.ts';
import { derTime } from './der/time.ts';
import { derExplicit, derInteger, derSequence } from './der/write.ts';
import { encodeExtensions } from './extension.ts';
import { X509Fault } from './fault.ts';
import type { Extension } from './model.ts';

/** All that goes into a certificate. The profiles (`leafProfile` …) make it. */
export interface CertificateSpec {
  /** 16 octets, the first from 0x40 to 0x7f: see `shapeSerial`. */
  readonly serial: Uint8Array;
  /** What the issuer signs the encoded TBS with; follows from the issuer's key. */
  readonly algorithm: SignatureAlgorithm;
  /** DER of the Name, copied byte for byte from the issuer's certificate. */
  readonly issuer: Uint8Array;
  /** DER of the Name. */
  readonly subject: Uint8Array;
  /** Whole seconds. */
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly spki: Uint8Array;
  readonly extensions: readonly Extension[];
}

/** TBSCertificate (RFC 5280 §4.1.2), version 3: the bytes to be signed. */
export function encodeTbsCertificate(spec: CertificateSpec): Uint8Array {
  if (spec.serial.length !== 16 || ((spec.serial[0] ?? 0) & 0xc0) !== 0x40) {
    throw new X509Fault('x509/invalid-spec', 'A serial number has 16 octets, the first from 0x40 to 0x7f.');
  }
  if (spec.notAfter <= spec.notBefore) throw new X509Fault('x509/invalid-spec', 'The certificate is never valid.');
  return derSequence(
    derExplicit(0, derInteger(2)),
    derInteger(spec.serial),
    encodeSignatureAlgorithm(spec.algorithm),
    spec.issuer,
    derSequence(derTime(spec.notBefore), derTime(spec.notAfter)),
    spec.subject,
    spec.spki,
    derExplicit(3, encodeExtensions(spec.extensions)),
  );
}

/**
 * A serial number made of 16 random octets.
 *
 * The two highest bits become 01: always positive and always of one length, so that no reader or writer of CRLs can stumble
 * over sign octets. 126 bits of randomness are left.
 */
export function shapeSerial(random: Uint8Array): Uint8Array {
  if (random.length !== 16) throw new X509Fault('x509/invalid-spec', 'A serial number needs 16 random octets.');
  const serial = random.slice();
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}
