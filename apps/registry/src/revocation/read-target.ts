import type { RevocationTarget } from '@margo-trust/wire';
import { findWireTime } from '../wire-time.ts';
import { RevocationFault } from './revocation.fault.ts';

/** What an order is about, in one of six ways. */
export type Selector =
  | { readonly by: 'serials'; readonly serials: readonly string[] }
  | { readonly by: 'key'; readonly key: string }
  | { readonly by: 'issuer'; readonly issuer: string }
  | { readonly by: 'vendor'; readonly vendorId: string }
  | { readonly by: 'digest'; readonly digest: string; readonly vendorId?: string }
  | {
      readonly by: 'window';
      readonly from?: Date;
      readonly until?: Date;
      readonly issuer?: string;
      readonly vendorId?: string;
    };

/**
 * Reads a target. Members that do not go together are `revocation/bad-target`: an order that means one thing to its author and
 * another to us must not be carried out.
 */
export function readTarget(target: RevocationTarget): Selector {
  const { serials, key, issuer, vendor: vendorId, digest } = target;
  const [from, until] = [readTime(target.issuedFrom), readTime(target.issuedUntil)];
  const isWindow = from !== undefined || until !== undefined;
  const named = [serials && 'serials', key && 'key', digest && 'digest', isWindow && 'window'].filter(Boolean);
  if (named.length > 1) throw bad(`${named.join(' and ')} do not go together: send one order for each.`);
  if ((serials || key) && (issuer ?? vendorId) !== undefined) throw bad('Serial numbers and keys stand alone.');
  if (serials) return { by: 'serials', serials };
  if (key) return { by: 'key', key };
  if (digest !== undefined && issuer !== undefined) throw bad('A digest has no issuer.');
  const ofVendor = vendorId === undefined ? {} : { vendorId };
  if (digest !== undefined) return { by: 'digest', digest, ...ofVendor };
  if (isWindow) {
    if (from && until && from >= until) throw bad('The span of time ends before it begins.');
    return {
      by: 'window',
      ...(from && { from }),
      ...(until && { until }),
      ...(issuer !== undefined && { issuer }),
      ...ofVendor,
    };
  }
  if (issuer !== undefined && vendorId !== undefined) throw bad('Add a span of time, or send one order for each.');
  if (issuer !== undefined) return { by: 'issuer', issuer };
  if (vendorId !== undefined) return { by: 'vendor', vendorId };
  throw bad('Name serial numbers, a key, an issuer, a vendor, a digest or a span of time.');
}

function readTime(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = findWireTime(text);
  if (time === undefined) throw bad(`"${text}" is no day or time.`);
  return time;
}

function bad(message: string): RevocationFault {
  return new RevocationFault('revocation/bad-target', message);
}
