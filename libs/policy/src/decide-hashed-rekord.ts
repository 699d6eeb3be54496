import { encodeHex } from '@margo-trust/bytes';
import { verifyDigestSignature } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import { KEY_KINDS, type HashedRekord } from '@margo-trust/sigstore';
import type { Certificate } from '@margo-trust/x509';
import { refuseStanding, type AdmissionFacts } from './decide.ts';
import { AdmissionFault } from './fault.ts';
import type { RegistrationPolicy } from './policy.ts';
import type { VerifiedPaths } from './verified-paths.ts';

/**
 * Whether the log admits what a vendor signed with a Sigstore tool: the Fault that refuses it, or `undefined`. The same checks
 * as for a statement, except for claims: an entry says that something was signed, and not what. So certificates under registered
 * anchors, which count within claims, are not admitted.
 */
export function decideHashedRekord(entry: HashedRekord, facts: AdmissionFacts): Fault | undefined {
  try {
    const path = admitHashedRekord(entry, facts.policy, facts.paths, facts.at);
    if (facts.vendor === undefined) return unknownVendor();
    return refuseStanding(
      facts.vendor.isActive,
      facts.isRevoked({ path }),
      facts.isWithdrawn([digestOfHashedRekord(entry)]),
    );
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error; // a bug of ours must not look like a decision
  }
}

/**
 * All that the entry itself decides: the certificate leads to an anchor at that time and has one URI, its key is of the kind
 * that the entry says and signs by an admitted algorithm, and the signature holds. Returns the path, leaf first.
 */
export function admitHashedRekord(
  { certificate, keyDetails, digest, signature }: HashedRekord,
  policy: RegistrationPolicy,
  paths: VerifiedPaths,
  at: Date,
): readonly [Certificate, ...Certificate[]] {
  const [leaf, ...above] = paths.find([certificate], at);
  if (leaf === undefined) throw new Error('A verified path has no leaf.');
  if (leaf.uriSans.length !== 1) {
    throw new AdmissionFault(
      'registration/issuer-mismatch',
      'The certificate does not have one URI, which names a vendor.',
    );
  }
  const kind = KEY_KINDS[keyDetails];
  if (leaf.publicKey.type !== kind.key || !policy.algorithms.includes(kind.algorithm)) {
    throw new AdmissionFault(
      'registration/algorithm-refused',
      `${keyDetails} is not the kind of this certificate's key, or is not admitted by the policy.`,
    );
  }
  verifyDigestSignature({ key: leaf.publicKey, digest, signature });
  return [leaf, ...above];
}

/** What was signed, as statements and searches name it: `sha256:…` or `sha384:…`. */
export function digestOfHashedRekord({ keyDetails, digest }: HashedRekord): string {
  return `${KEY_KINDS[keyDetails].algorithm === 'ES256' ? 'sha256' : 'sha384'}:${encodeHex(digest)}`;
}

export function unknownVendor(): AdmissionFault {
  return new AdmissionFault('registration/unknown-vendor', 'No vendor of this registry has that URI.');
}
