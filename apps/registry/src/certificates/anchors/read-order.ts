import { parseBase64 } from '@margo-trust/bytes';
import type { AnchorRequest } from '@margo-trust/wire';
import { parseCertificate, parsePem } from '@margo-trust/x509';
import { HttpFault } from '../../http/http.fault.ts';
import { findWireTime } from '../../wire-time.ts';
import type { AnchorOrder } from './propose-anchor.ts';

/** Reads what a caller asks for. A certificate that cannot be read is a Fault of libs/x509. */
export function readOrder({ certificate, purpose, claims, subject, reason, ...window }: AnchorRequest): AnchorOrder {
  const [validFrom, validUntil] = [readTime('validFrom', window.validFrom), readTime('validUntil', window.validUntil)];
  if (Object.keys(subject).length === 0) throw invalid('subject', 'must ask for something');
  return {
    certificate: parseCertificate(readCertificate(certificate)),
    purpose,
    claims: {
      applicationIdPrefixes: [...(claims?.applicationIdPrefixes ?? [])],
      ociNamespaces: [...(claims?.ociNamespaces ?? [])],
    },
    subject: { ...subject },
    ...(validFrom && { validFrom }),
    ...(validUntil && { validUntil }),
    reason,
  };
}

/** PEM, or DER in base64. */
function readCertificate(text: string): Uint8Array {
  if (!text.includes('-----BEGIN')) return parseBase64(text.replaceAll(/\s/g, ''));
  const [der, ...others] = parsePem('CERTIFICATE', text);
  if (der === undefined || others.length > 0) throw invalid('certificate', 'must be one certificate');
  return der;
}

function readTime(field: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = findWireTime(text);
  if (time === undefined) throw invalid(field, 'is no day or time');
  return time;
}

function invalid(field: string, message: string): HttpFault {
  return new HttpFault('http/invalid-body', `${field} ${message}.`, { errors: [{ field, message }] });
}
