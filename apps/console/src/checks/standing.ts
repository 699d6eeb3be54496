import { decodeStatement } from '../decode.ts';
import { dateWords } from '../words.ts';
import type { Statement } from '@margo-trust/statement';
import type { Signer } from './signer.ts';
import type { Source } from './source.ts';
import { NotChecked, Refused } from './steps.ts';
import { findTrustedVendor, type RevokedCertificate, type Trust } from './trust.ts';

/** The answer to "still good?". */
export interface Standing {
  said: string;
  /** When the registry signed the lists this was read from. */
  asOf: Date;
}

/**
 * Looks for what would take trust back from a signature made at `signedAt`: its certificate, the artifacts it speaks of, its
 * vendor. Refuses when one is found; a certificate replaced in good order keeps the signatures made before.
 */
export async function checkStanding(
  source: Source,
  trust: Trust,
  statement: Statement,
  signer: Signer,
  signedAt: Date,
): Promise<Standing> {
  const { asOf } = trust.revocations;
  if (signer.kind === 'registry') return { said: registryWords(trust, statement), asOf };
  const { fingerprint: signedWith } = signer.certificate;

  const revoked = trust.revocations.certificates.find(({ fingerprint }) => fingerprint === signedWith);
  if (revoked && reaches(revoked, signedAt)) {
    throw new Refused(
      `The signing certificate was revoked on ${dateWords(revoked.revokedAt)} (${reasonWords(revoked.reason)}).`,
    );
  }
  const digest = digestsOf(statement).find((candidate) => trust.revocations.digests.includes(candidate));
  if (digest !== undefined) throw new Refused(`The registry has revoked the artifact ${digest} itself.`);

  const id = /^https:\/\/([0-9a-z]{26})\.vendors\./.exec(statement.issuer)?.[1];
  if (id === undefined) throw new NotChecked('Not checked, because the issuer’s name does not say which vendor it is.');
  const vendor = await findTrustedVendor(source, trust, id);
  if (!vendor) throw new Refused('The trust root does not list this vendor any more.');
  if (vendor.status !== 'active') throw new Refused(`The vendor ${vendor.legalName} is ${vendor.status}.`);
  return {
    said: revoked
      ? `The certificate was retired on ${dateWords(revoked.revokedAt)} (${reasonWords(revoked.reason)}), after this signature. The vendor is active.`
      : 'Neither the certificate nor the artifacts are on the revocation list, and the vendor is active.',
    asOf,
  };
}

/**
 * Whether a revocation reaches back to a signature of this time. After a compromise it does from the invalidity date on, or
 * always when no date is known; an orderly replacement only ends what comes after it.
 */
export function reaches({ reason, revokedAt, invalidityDate }: RevokedCertificate, signedAt: Date): boolean {
  if (reason === 'superseded' || reason === 'cessationOfOperation' || reason === 'affiliationChanged')
    return signedAt >= revokedAt;
  return invalidityDate === undefined || signedAt >= invalidityDate;
}

/** RFC 5280 reason codes in words. */
export function reasonWords(reason: string): string {
  return REASONS[reason] ?? reason;
}

const REASONS: Record<string, string> = {
  keyCompromise: 'its key may be in other hands',
  cACompromise: 'its authority was compromised',
  superseded: 'replaced by a newer one',
  cessationOfOperation: 'no longer used',
  affiliationChanged: 'its owner changed',
  privilegeWithdrawn: 'the right to sign was withdrawn',
  unspecified: 'no reason given',
};

function digestsOf(statement: Statement): string[] {
  const said = decodeStatement(statement);
  if (said.kind === 'artifact') return [said.target.digest];
  if (said.kind !== 'release') return [];
  const { release } = said;
  return [release.package, ...release.components, ...release.images].map((item) => item.digest);
}

/** The registry's own statements: nothing revokes them, but what they speak of may have changed since. */
function registryWords(trust: Trust, statement: Statement): string {
  const fingerprint = /^certificate:([0-9a-f]{64})$/.exec(statement.subject)?.[1];
  const revoked = trust.revocations.certificates.find((candidate) => candidate.fingerprint === fingerprint);
  if (revoked) return `The record stands. The certificate it is about was revoked on ${dateWords(revoked.revokedAt)}.`;
  if (fingerprint !== undefined) return 'The record stands, and the certificate it is about is not revoked.';
  return 'The record stands: its key is in the current trust root.';
}
