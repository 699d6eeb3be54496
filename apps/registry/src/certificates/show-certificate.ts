import type { Certificate } from '@margo-trust/wire';
import { encodePem, parseCertificate, readWorkload } from '@margo-trust/x509';
import { wireTime } from '../wire-time.ts';
import type { IssuedCertificate } from './certificate.reader.ts';

/** A certificate as the API shows it. `issuers` are the DER of the issuing CA and of the root, in this order. */
export function showCertificate(
  certificate: IssuedCertificate,
  issuers: readonly Uint8Array[],
  now: Date,
): Certificate {
  const { der, revocation, assurance, notAfter } = certificate;
  const parsed = parseCertificate(der);
  const workload = readWorkload(parsed);
  const pem = encodePem('CERTIFICATE', der);
  const status = revocation ? 'revoked' : now > notAfter ? 'expired' : 'valid';
  return {
    serial: certificate.serial,
    fingerprint: certificate.fingerprint,
    vendorId: certificate.vendorId,
    subject: parsed.subjectText,
    assurance,
    ...(workload && { workload: { issuer: workload.issuer, subject: workload.subject } }),
    notBefore: wireTime(certificate.notBefore),
    notAfter: wireTime(notAfter),
    ...(status === 'valid' && assurance !== 'ci' && { renewAfter: wireTime(renewAfter(certificate)) }),
    status,
    entryId: certificate.entryId,
    certificate: pem,
    chain: [pem, ...issuers.map(pemOf)].join(''),
    ...(revocation && {
      revokedAt: wireTime(revocation.revokedAt),
      revocationReason: revocation.reason,
      ...(revocation.invalidityDate && { invalidityDate: wireTime(revocation.invalidityDate) }),
      revocationEntryId: revocation.entryId,
    }),
  };
}

/** Of an issuer, which stands in every chain. */
function pemOf(der: Uint8Array): string {
  const known = pems.get(der) ?? encodePem('CERTIFICATE', der);
  pems.set(der, known);
  return known;
}

const pems = new WeakMap<Uint8Array, string>();

/** The last quarter of its life, so that two certificates overlap for months: about 100 days of 397. */
function renewAfter({ notBefore, notAfter }: IssuedCertificate): Date {
  return new Date(notAfter.getTime() - Math.floor((notAfter.getTime() - notBefore.getTime()) / 4_000) * 1_000);
}
