import type { Fault } from '@margo-trust/fault';

/** What scripts can rely on. 10 to 13 are as `cosign` has them. */
export const EXIT = {
  ok: 0,
  other: 1,
  usage: 2,
  unsigned: 10,
  notFound: 11,
  notVerified: 12,
  noCertificate: 13,
  revoked: 20,
  expired: 21,
  stale: 22,
  notLogged: 23,
  rollback: 24,
  policy: 25,
  notWitnessed: 26,
  verifiedWeakly: 27,
  incomplete: 30,
  changed: 31,
  backDated: 32,
  otherLog: 33,
  wrongDecision: 34,
  inconsistent: 35,
  mayHaveMissed: 36,
} as const;

/** Codes that mean the same wherever they turn up. */
const BY_CODE: Readonly<Record<string, number>> = {
  'cli/ambiguous': EXIT.usage,
  'cli/bad-usage': EXIT.usage,
  'cli/file-exists': EXIT.usage,
  'cli/needs-network': EXIT.usage,
  'cli/no-home': EXIT.usage,
  'cli/no-registry': EXIT.usage,
  'cli/no-such-file': EXIT.usage,
  'client/bad-url': EXIT.usage,
  'client/insecure': EXIT.usage,
  'client/no-initial-root': EXIT.usage,
  'client/unsupported-source': EXIT.usage,
  'index/bad-key': EXIT.usage,
  'oci/bad-reference': EXIT.usage,

  'verify/unsigned': EXIT.unsigned,
  'cli/not-found': EXIT.notFound,
  'oci/not-found': EXIT.notFound,
  'verify/no-certificate': EXIT.noCertificate,

  'verify/certificate-revoked': EXIT.revoked,
  'verify/issuer-revoked': EXIT.revoked,
  'verify/digest-revoked': EXIT.revoked,
  'verify/key-revoked': EXIT.revoked,
  'verify/vendor-revoked': EXIT.revoked,
  'x509/revoked': EXIT.revoked,
  'openpgp/key-revoked': EXIT.revoked,

  'verify/signature-expired': EXIT.expired,
  'x509/expired': EXIT.expired,
  'x509/not-yet-valid': EXIT.expired,
  'openpgp/key-expired': EXIT.expired,
  'openpgp/signature-expired': EXIT.expired,

  'openpgp/unavailable': EXIT.other,

  'policy/stale': EXIT.stale,
  'tuf/expired': EXIT.stale,
  'tuf/missing-target': EXIT.stale,
  'verify/not-logged': EXIT.notLogged,
  'verify/not-witnessed': EXIT.notWitnessed,
  'verify/forked': EXIT.rollback,

  'client/other-initial-root': EXIT.rollback,
  'tuf/rollback': EXIT.rollback,
  'tuf/wrong-version': EXIT.rollback,

  'audit/fork': EXIT.rollback,
  'audit/rollback': EXIT.rollback,
  'audit/wrong-root': EXIT.rollback,
  'audit/missing-entry': EXIT.incomplete,
  'audit/unexplained-erasure': EXIT.incomplete,
  'audit/changed-statement': EXIT.changed,
  'audit/back-dated-policy': EXIT.backDated,
  'audit/other-log': EXIT.otherLog,
  'audit/after-freeze': EXIT.rollback,
  'audit/retired-key': EXIT.otherLog,
  'audit/wrong-admission': EXIT.wrongDecision,
  'audit/bad-checkpoint': EXIT.notVerified,
  'audit/bad-evidence': EXIT.inconsistent,
  'audit/wrong-facts': EXIT.inconsistent,
  'audit/wrong-genesis': EXIT.inconsistent,
  'audit/wrong-index': EXIT.inconsistent,
  'audit/wrong-receipt': EXIT.inconsistent,
  'index/bad-proof': EXIT.inconsistent,
  'index/bad-record': EXIT.inconsistent,
  'index/not-complete': EXIT.incomplete,
  'audit/wrong-seal': EXIT.inconsistent,
  'audit/wrong-signature': EXIT.inconsistent,
  'audit/wrong-tile': EXIT.inconsistent,

  'client/no-release': EXIT.policy,
  'policy/no-release': EXIT.policy,
  'policy/other-vendor': EXIT.policy,
  'verify/application-mismatch': EXIT.policy,
  'verify/application-not-claimed': EXIT.policy,
  'verify/namespace-not-claimed': EXIT.policy,
  'verify/unknown-vendor': EXIT.policy,
  'verify/vendor-suspended': EXIT.policy,
  'verify/vendor-unproven': EXIT.policy,
};

/** Refusals that come down to: nothing here is a signature that verifies over this artifact. */
const UNVERIFIED: ReadonlySet<string> = new Set([
  'oci/digest-mismatch',
  'oci/not-a-signature',
  'oci/size-mismatch',
  'tuf/hash-mismatch',
  'tuf/threshold-not-met',
  'verify/algorithm-refused',
  'verify/issuer-mismatch',
  'verify/manifest-mismatch',
  'verify/not-in-release',
  'verify/target-mismatch',
  'verify/wrong-content',
]);
const UNVERIFIED_AREAS = /^(?:cbor|cose|crypto|openpgp|statement|x509)\//;

/** The exit code of a command that could not do its work. */
export function exitCodeOf({ code }: Pick<Fault, 'code'>): number {
  return BY_CODE[code] ?? EXIT.other;
}

/** The exit code of a verdict that refuses. Never 0. */
export function exitCodeOfRefusal(code: string): number {
  return BY_CODE[code] ?? (UNVERIFIED.has(code) || UNVERIFIED_AREAS.test(code) ? EXIT.notVerified : EXIT.other);
}
