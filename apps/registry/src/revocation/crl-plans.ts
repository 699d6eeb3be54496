import type { AuthorityName } from '../certificates/certificate.reader.ts';
import type { KeySlot } from '../keys/slots.ts';

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
 * Current for a day only, because Notation keeps a CRL until it ends and is blind so long.
 */
export const LEAVES: CrlPlan = {
  ca: 'issuing-1',
  shard: 0,
  holds: 'leaves',
  slot: 'ca-issuing-1',
  path: '/crl/issuing-1/0.crl',
  renewAfterMs: 6 * HOUR,
  currentForMs: 24 * HOUR,
};

/** Current for a year: its key is there at ceremonies only. */
export const CAS: CrlPlan = {
  ca: 'root',
  shard: 0,
  holds: 'cas',
  slot: 'ca-root',
  path: '/crl/root/0.crl',
  renewAfterMs: 180 * 24 * HOUR,
  currentForMs: 365 * 24 * HOUR,
};

export const CRL_PLANS: readonly CrlPlan[] = [CAS, LEAVES];
