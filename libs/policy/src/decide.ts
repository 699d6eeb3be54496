import { verifySignature, type SignatureCheck } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import {
  factsOfTarget,
  isClaimedApplication,
  isClaimedReference,
  parseArtifactSignature,
  prepareStatementCheck,
  readFacts,
  type Claims,
  type Statement,
  type StatementFacts,
} from '@margo-trust/statement';
import type { Certificate } from '@margo-trust/x509';
import { AdmissionFault } from './fault.ts';
import type { RegistrationPolicy } from './policy.ts';
import { claimsUnder, judgeAnchor, type RegisteredAnchor } from './registered-anchor.ts';
import type { VerifiedPaths } from './verified-paths.ts';

/** What a decision rests on besides the statement. All of it is in the log below the entry's index. */
export interface AdmissionFacts {
  /** As last committed. */
  readonly policy: RegistrationPolicy;
  /** When the entry was registered. */
  readonly at: Date;
  readonly paths: VerifiedPaths;
  /** Registered anchors of purpose `artifact-signing` that are in force, of whatever vendors. */
  readonly anchors: readonly RegisteredAnchor[];
  /** The vendor whose URI is the statement's `iss`, if there is one. */
  readonly vendor: { readonly claims: Claims; readonly isActive: boolean } | undefined;
  /**
   * Whether the signing certificate, its key or its issuer is revoked, for whatever reason; with an anchor, whether a key of the
   * path is.
   */
  readonly isRevoked: (path: SigningPath) => boolean;
  /** Whether one of these digests was withdrawn, for everybody or for this vendor's signatures. */
  readonly isWithdrawn: (digests: readonly string[]) => boolean;
}

/** A verified path, leaf first, and the registered anchor that it counts by, if not one of the registry's own. */
export interface SigningPath {
  readonly path: readonly [Certificate, ...Certificate[]];
  readonly anchor?: RegisteredAnchor;
}

/**
 * Whether the log admits a vendor's statement: the Fault that refuses it, or `undefined`. Reads its arguments and nothing
 * else, so that an auditor decides years later what the registry decided then.
 *
 * The order is part of the contract: the first refusal is the answer. The registry takes the same steps one by one, since
 * it fetches facts and checks signatures between them.
 */
export function decideAdmission(statement: Statement, facts: AdmissionFacts): Fault | undefined {
  try {
    const spoken = admitContent(statement, facts.policy);
    const found = admitChain(statement, facts.paths, facts.at, facts.anchors);
    admitClaims(spoken, facts.vendor, facts.policy, found.anchor);
    verifySignature(admitAlgorithm(statement, found.path, facts.policy));
    const isActive = facts.vendor?.isActive ?? false;
    return refuseStanding(isActive, facts.isRevoked(found), facts.isWithdrawn(spoken.digests));
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error; // a bug of ours must not look like a decision
  }
}

/** Steps 1 and 2: size and content type are admitted, and the payload is what its content type promises. */
export function admitContent(statement: Statement, policy: RegistrationPolicy): StatementFacts {
  if (statement.stripped.length > policy.maxStatementBytes) {
    throw new AdmissionFault(
      'registration/statement-too-large',
      `The policy admits statements of ${policy.maxStatementBytes} bytes at most.`,
    );
  }
  const admitted = policy.statements.find(({ contentType }) => contentType === statement.contentType);
  if (admitted === undefined) {
    const types = policy.statements.map(({ contentType }) => contentType).join(' and ');
    throw new AdmissionFault(
      'registration/content-type-refused',
      `The policy admits ${types} from vendors, not "${statement.contentType}".`,
    );
  }
  if (admitted.payload === 'notary-artifact') return factsOfTarget(parseArtifactSignature(statement).target);
  return readFacts(statement);
}

/**
 * Steps 3 and 4: the path to an anchor, valid at that time. `iss` is the only URI of its leaf; or the vendor whose registered
 * anchor it is, and the leaf is what that was registered for.
 */
export function admitChain(
  statement: Statement,
  paths: VerifiedPaths,
  at: Date,
  anchors: readonly RegisteredAnchor[],
): SigningPath {
  const [first, ...others] = statement.chain;
  if (first === undefined || statement.x5t === undefined) {
    throw new AdmissionFault(
      'registration/no-chain',
      'Send the certificate chain (x5chain, leaf first) and protect x5t.',
    );
  }
  const own = anchors.filter(({ vendorUri }) => vendorUri === statement.issuer);
  const certificates = own.map(({ certificate }) => certificate);
  const [leaf, ...above] = paths.find([first, ...others], at, certificates);
  if (leaf === undefined) throw new Error('A verified path has no leaf.');
  const anchor = judgeAnchor([leaf, ...above], own, at);
  if (anchor !== undefined) return { path: [leaf, ...above], anchor };
  if (leaf.uriSans.length !== 1 || leaf.uriSans[0] !== statement.issuer) {
    throw new AdmissionFault('registration/issuer-mismatch', 'The issuer (iss) is not the URI in the certificate.');
  }
  return { path: [leaf, ...above] };
}

/** Steps 5 and 6: the vendor is known, and was granted what it speaks for; so was the anchor it signs under. */
export function admitClaims(
  { applicationId, claimedReferences }: StatementFacts,
  vendor: { readonly claims: Claims } | undefined,
  policy: RegistrationPolicy,
  anchor?: RegisteredAnchor,
): void {
  if (vendor === undefined) {
    throw new AdmissionFault('registration/unknown-vendor', 'No vendor of this registry has that URI.');
  }
  const claims = claimsUnder(anchor, vendor.claims);
  const whom = anchor === undefined ? 'the vendor' : "the vendor's own CA";
  const isApplicationForeign =
    policy.claims.includes('application-id-prefix') &&
    applicationId !== undefined &&
    !isClaimedApplication(applicationId, claims);
  if (isApplicationForeign) {
    throw new AdmissionFault(
      'registration/application-not-claimed',
      `No application-id prefix granted to ${whom} covers "${applicationId}".`,
    );
  }
  if (!policy.claims.includes('oci-namespace')) return;
  const stranger = claimedReferences.find((reference) => !isClaimedReference(reference, claims));
  if (stranger !== undefined) {
    throw new AdmissionFault(
      'registration/namespace-not-claimed',
      `No OCI namespace granted to ${whom} covers "${stranger}".`,
    );
  }
}

/** Step 7: the algorithm is admitted. The signature check that is left to do (step 8) is returned. */
export function admitAlgorithm(
  statement: Statement,
  [leaf]: readonly [Certificate, ...Certificate[]],
  policy: RegistrationPolicy,
): SignatureCheck {
  const check = prepareStatementCheck(statement, leaf.publicKey);
  if (!policy.algorithms.includes(check.algorithm)) {
    throw new AdmissionFault('registration/algorithm-refused', `${check.algorithm} is not admitted by the policy.`);
  }
  return check;
}

/** Step 9, as committed when the entry is: the vendor may publish, its certificate is not revoked, nor what it speaks of withdrawn. */
export function refuseStanding(
  isActive: boolean,
  isRevoked: boolean,
  isWithdrawn: boolean,
): AdmissionFault | undefined {
  if (!isActive) {
    return new AdmissionFault('registration/vendor-not-active', 'The vendor is not active: it cannot publish now.');
  }
  if (isRevoked) return new AdmissionFault('registration/certificate-revoked', 'The signing certificate is revoked.');
  if (isWithdrawn)
    return new AdmissionFault('registration/digest-revoked', 'It speaks of an artifact that was withdrawn.');
  return undefined;
}
