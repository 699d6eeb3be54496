import type { CrlRule } from './rule.ts';

/** Leaves: 31 days, which the copies for caches without a network need. CAs: a year, since their root is offline. */
export const crlIsRenewedInTime: CrlRule = {
  name: 'crl-is-renewed-in-time',
  source: 'RFC 5280 §5.1.2.5; CSBR §4.9.7',
  check: ({ thisUpdate, nextUpdate }, { scope }) => {
    if (!nextUpdate) return 'it does not say when the next one comes';
    const maxDays = scope.holds === 'leaves' ? 31 : 366;
    const days = (nextUpdate.getTime() - thisUpdate.getTime()) / 86_400_000;
    return days <= maxDays ? undefined : `it is current for more than ${maxDays} days`;
  },
};
