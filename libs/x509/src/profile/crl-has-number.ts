import type { CrlRule } from './rule.ts';

/** Whether it is larger than the last one is for the publisher to see to. */
export const crlHasNumber: CrlRule = {
  name: 'crl-has-number',
  source: 'RFC 5280 §5.2.3',
  check: ({ number }) => (number === undefined ? 'it has no CRL number' : undefined),
};
