import type { Authority, AuthorityName } from '../certificates/certificate.reader.ts';
import { authoritySlot, type KeySlot } from '../keys/slots.ts';

/** How the CRL of one shard is made and how long it is good for. */
export interface CrlPlan {
  readonly ca: AuthorityName;
  readonly shard: number;
  readonly holds: 'leaves' | 'cas';
  readonly slot: KeySlot;
  /** Where it is published; leaves name the URL of this path. */
  readonly path: string;
  /** Signed again at this age even when nothing was revoked. */
  readonly renewAfterMs: number;
  readonly currentForMs: number;
}

const HOUR = 3_600_000;

/**
 * The CRLs of all CAs that sign any: roots, and issuing CAs from the day they are published, so that a hand-over leaves no gap,
 * until they retire.
 */
export function planCrls(authorities: readonly Authority[]): CrlPlan[] {
  return authorities
    .filter(({ state }) => state !== 'retired')
    .flatMap(({ name, role }) => (role === 'root' ? [casOf(name)] : role === 'issuing' ? [leavesOf(name)] : []));
}

/** Current for a day only, because Notation keeps a CRL until it ends and is blind so long. */
export function leavesOf(ca: AuthorityName): CrlPlan {
  const shard = 0;
  return {
    ...{ ca, shard, holds: 'leaves', slot: authoritySlot(ca), path: `/crl/${ca}/${shard}.crl` },
    ...{ renewAfterMs: 6 * HOUR, currentForMs: 24 * HOUR },
  };
}

/** Current for a year: its key is there at ceremonies only. */
function casOf(ca: AuthorityName): CrlPlan {
  return {
    ...{ ca, shard: 0, holds: 'cas', slot: authoritySlot(ca), path: `/crl/${ca}/0.crl` },
    ...{ renewAfterMs: 180 * 24 * HOUR, currentForMs: 365 * 24 * HOUR },
  };
}
