import type { Certificate } from '@margo-trust/wire';
import { encodePem, parseCertificate } from '@margo-trust/x509';
import { wireTime } from '../wire-time.ts';
import type { IssuedCertificate } from './certificate.reader.ts';

/** A certificate as the API shows it. `issuers` are the DER of the issuing CA and of the root, in this order. */
export function showCertificate(
  certificate: IssuedCertificate,
  issuers: readonly Uint8Array[],
  now: Date,
): Certificate {
  const { der, revocation } = certificate;
  return {
    serial: certificate.serial,
    fingerprint: certificate.fingerprint,
    vendorId: certificate.vendorId,
    subject: parseCertificate(der).subjectText,
    notBefore: wireTime(certificate.notBefore),
    notAfter: wireTime(certificate.notAfter),
    status: revocation ? 'revoked' : now > certificate.notAfter ? 'expired' : 'valid',
    entryId: certificate.entryId,
    certificate: encodePem('CERTIFICATE', der),
    chain: [der, ...issuers].map((one) => encodePem('CERTIFICATE', one)).join(''),
    ...(revocation && {
      revokedAt: wireTime(revocation.revokedAt),
      revocationReason: revocation.reason,
      ...(revocation.invalidityDate && { invalidityDate: wireTime(revocation.invalidityDate) }),
      revocationEntryId: revocation.entryId,
    }),
  };
}
