import type { CrlRule } from './rule.ts';

/** Nothing is put on hold or taken back: what was revoked stays revoked. */
export const crlEntriesAreFinal: CrlRule = {
  name: 'crl-entries-are-final',
  source: 'RFC 5280 §5.3.1; CSBR §4.9.13',
  check: ({ entries }) => {
    for (const { reason } of entries.values()) {
      if (reason === 'certificateHold' || reason === 'removeFromCRL') return `an entry has reason ${reason}`;
      if (reason === 'unspecified') return 'an entry writes out that its reason is unspecified';
    }
    return undefined;
  },
};
