import { encodeBase64, parseBase64 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { X509Fault } from './fault.ts';

export type PemLabel = 'CERTIFICATE' | 'CERTIFICATE REQUEST' | 'PUBLIC KEY' | 'X509 CRL';

/** Textual encoding (RFC 7468), with a line feed at the end. */
export function encodePem(label: PemLabel, der: Uint8Array): string {
  const lines = encodeBase64(der).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

/**
 * The contents of all blocks with this label, in order; `x509/malformed` when there is none or one is broken. Text and
 * blocks with other labels around them are passed over (RFC 7468 §2). At most 4 MiB of text.
 */
export function parsePem(label: PemLabel, text: string): Uint8Array[] {
  if (text.length > 4_194_304) throw new X509Fault('x509/too-large', 'The PEM text is too large.');
  const [begin, end] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`];
  const blocks: Uint8Array[] = [];
  for (let start = text.indexOf(begin); start !== -1; start = text.indexOf(begin, start)) {
    const stop = text.indexOf(end, start);
    if (stop === -1) throw new X509Fault('x509/malformed', `A PEM block of type ${label} has no end.`);
    blocks.push(parseBody(text.slice(start + begin.length, stop)));
    start = stop + end.length;
  }
  if (blocks.length === 0) throw new X509Fault('x509/malformed', `There is no PEM block of type ${label}.`);
  return blocks;
}

function parseBody(body: string): Uint8Array {
  try {
    return parseBase64(body.replace(/[ \t\r\n]+/g, ''));
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new X509Fault('x509/malformed', 'A PEM block is not base64.', { cause });
  }
}
