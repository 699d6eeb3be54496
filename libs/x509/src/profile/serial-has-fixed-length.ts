import type { CertificateRule } from './rule.ts';

/** Sixteen octets, the first from 0x40 to 0x7f: random enough, positive, and of one length. */
export const serialHasFixedLength: CertificateRule = {
  name: 'serial-has-fixed-length',
  source: 'RFC 5280 §4.1.2.2; CSBR §7.1',
  check: ({ serialHex }) =>
    /^[4-7][0-9a-f]{31}$/.test(serialHex)
      ? undefined
      : 'the serial number is not 16 octets beginning with 0x40 to 0x7f',
};
