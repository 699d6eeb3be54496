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
import type { VerifiedPaths } from './verified-paths.ts';

/** What a decision rests on besides the statement. All of it is in the log below the entry's index. */
export interface AdmissionFacts {
  /** As last committed. */
  readonly policy: RegistrationPolicy;
  /** When the entry was registered. */
  readonly at: Date;
  readonly paths: VerifiedPaths;
  /** The vendor whose URI is the statement's `iss`, if there is one. */
  readonly vendor: { readonly claims: Claims; readonly isActive: boolean } | undefined;
  /** Whether the signing certificate, its key or its issuer is revoked, for whatever reason. */
  readonly isRevoked: boolean;
  /** Whether one of these digests was withdrawn, for everybody or for this vendor's signatures. */
  readonly isWithdrawn: (digests: readonly string[]) => boolean;
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
    const path = admitChain(statement, facts.paths, facts.at);
    admitClaims(spoken, facts.vendor, facts.policy);
    verifySignature(admitAlgorithm(statement, path, facts.policy));
    return refuseStanding(facts.vendor?.isActive ?? false, facts.isRevoked, facts.isWithdrawn(spoken.digests));
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

/** Steps 3 and 4: the path to an anchor, leaf first, valid at that time; `iss` is the only URI of its leaf. */
export function admitChain(
  statement: Statement,
  paths: VerifiedPaths,
  at: Date,
): readonly [Certificate, ...Certificate[]] {
  const [first, ...others] = statement.chain;
  if (first === undefined || statement.x5t === undefined) {
    throw new AdmissionFault(
      'registration/no-chain',
      'Send the certificate chain (x5chain, leaf first) and protect x5t.',
    );
  }
  const [leaf, ...above] = paths.find([first, ...others], at);
  if (leaf === undefined) throw new Error('A verified path has no leaf.');
  if (leaf.uriSans.length !== 1 || leaf.uriSans[0] !== statement.issuer) {
    throw new AdmissionFault('registration/issuer-mismatch', 'The issuer (iss) is not the URI in the certificate.');
  }
  return [leaf, ...above];
}

/** Steps 5 and 6: the vendor is known, and was granted what it speaks for. */
export function admitClaims(
  { applicationId, claimedReferences }: StatementFacts,
  vendor: { readonly claims: Claims } | undefined,
  policy: RegistrationPolicy,
): void {
  if (vendor === undefined) {
    throw new AdmissionFault('registration/unknown-vendor', 'No vendor of this registry has that URI.');
  }
  const isApplicationForeign =
    policy.claims.includes('application-id-prefix') &&
    applicationId !== undefined &&
    !isClaimedApplication(applicationId, vendor.claims);
  if (isApplicationForeign) {
    throw new AdmissionFault(
      'registration/application-not-claimed',
      `No application-id prefix granted to the vendor covers "${applicationId}".`,
    );
  }
  if (!policy.claims.includes('oci-namespace')) return;
  const stranger = claimedReferences.find((reference) => !isClaimedReference(reference, vendor.claims));
  if (stranger !== undefined) {
    throw new AdmissionFault(
      'registration/namespace-not-claimed',
      `No OCI namespace granted to the vendor covers "${stranger}".`,
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
