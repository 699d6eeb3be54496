import type { SignatureAlgorithm } from '@margo-trust/crypto';
import { CONTENT } from '@margo-trust/statement';

/** What the log admits from vendors. Logged as it stands at index 0, so that anyone can replay a decision. */
export interface RegistrationPolicy {
  readonly type: 'margo.registration-policy.v1';
  readonly algorithms: readonly SignatureAlgorithm[];
  readonly contentTypes: readonly string[];
  readonly maxStatementBytes: number;
  /** Checks in the order in which they refuse. */
  readonly checks: readonly string[];
}

export const REGISTRATION_POLICY: RegistrationPolicy = {
  type: 'margo.registration-policy.v1',
  algorithms: ['ES256', 'ES384', 'PS256', 'PS384'],
  contentTypes: [CONTENT.artifact, CONTENT.release],
  maxStatementBytes: 1 << 20,
  checks: [
    'well-formed statement with iss, sub, content type and x5t in the protected header',
    'content type admitted and payload of that type',
    'certificate path to an anchor of purpose artifact-signing, valid now, extended key usage codeSigning',
    'iss equals the only URI name of the certificate',
    'the vendor with that URI is known',
    'application id within a granted prefix, references within a granted namespace',
    'algorithm admitted and signature valid',
    'at commit: vendor active, certificate not revoked',
  ],
};
