import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type VerifyFaultCode =
  | 'verify/bad-trust-root'
  | 'verify/bad-bundle'
  | 'verify/algorithm-refused'
  | 'verify/no-certificate'
  | 'verify/not-logged'
  | 'verify/not-witnessed'
  | 'verify/forked'
  | 'verify/issuer-mismatch'
  | 'verify/unknown-vendor'
  | 'verify/vendor-unproven'
  | 'verify/anchor-unproven'
  | 'verify/vendor-suspended'
  | 'verify/application-mismatch'
  | 'verify/application-not-claimed'
  | 'verify/namespace-not-claimed'
  | 'verify/certificate-revoked'
  | 'verify/issuer-revoked'
  | 'verify/key-revoked'
  | 'verify/vendor-revoked'
  | 'verify/digest-revoked'
  | 'verify/target-mismatch'
  | 'verify/signature-expired'
  | 'verify/unsigned'
  | 'verify/wrong-content'
  | 'verify/not-in-release'
  | 'verify/manifest-mismatch';

export class VerifyFault extends Fault<VerifyFaultCode> {}
