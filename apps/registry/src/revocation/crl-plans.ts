import type { Authority, AuthorityName } from '../certificates/certificate.reader.ts';
import { authoritySlot, type KeySlot } from '../keys/slots.ts';

/** How the CRLs of a CA are made and how long they are good for. */
export interface CrlPlan {
  readonly ca: AuthorityName;
  /** How many there are; each certificate names one for its whole life. */
  readonly shards: number;
  readonly holds: 'leaves' | 'cas';
  readonly slot: KeySlot;
  /** Signed again at this age even when nothing was revoked. */
  readonly renewAfterMs: number;
  readonly currentForMs: number;
  /** Absent where the CRL itself is long-lived. */
  readonly twin?: { readonly renewAfterMs: number; readonly currentForMs: number };
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/**
 * The CRLs of all CAs that sign any: roots, and issuing CAs from the day they are published, so that a hand-over leaves no gap,
 * until they retire.
 */
export function planCrls(authorities: readonly Authority[]): CrlPlan[] {
  return authorities
    .filter(({ state }) => state !== 'retired')
    .flatMap(({ name, role }) => (role === 'root' ? [casOf(name)] : role === 'issuing' ? [leavesOf(name)] : []));
}

/** Where a CRL is published; leaves name the URL of this path. */
export function crlPath(ca: string, shard: number): string {
  return `/crl/${ca}/${shard}.crl`;
}

/** Where its long-lived twin is, for seeding caches that have no network. */
export function twinPath(ca: string, shard: number): string {
  return `/crl/${ca}/${shard}.long.crl`;
}

/** Current for a day only, because Notation keeps a CRL until it ends and is blind so long. */
export function leavesOf(ca: AuthorityName): CrlPlan {
  return {
    ...{ ca, shards: 128, holds: 'leaves', slot: authoritySlot(ca) },
    ...{ renewAfterMs: 6 * HOUR, currentForMs: DAY, twin: { renewAfterMs: 7 * DAY, currentForMs: 30 * DAY } },
  };
}

/** Current for a year: its key is there at ceremonies only. */
function casOf(ca: AuthorityName): CrlPlan {
  return {
    ...{ ca, shards: 1, holds: 'cas', slot: authoritySlot(ca) },
    ...{ renewAfterMs: 180 * DAY, currentForMs: 365 * DAY },
  };
}
