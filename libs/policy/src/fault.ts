import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type PolicyFaultCode = 'policy/malformed' | 'policy/unknown-type';

/** A document that is no registration policy. */
export class PolicyFault extends Fault<PolicyFaultCode> {}

/** Stable, likewise. */
export type AdmissionFaultCode =
  | 'registration/statement-too-large'
  | 'registration/content-type-refused'
  | 'registration/algorithm-refused'
  | 'registration/no-chain'
  | 'registration/issuer-mismatch'
  | 'registration/unknown-vendor'
  | 'registration/vendor-not-active'
  | 'registration/certificate-revoked'
  | 'registration/digest-revoked'
  | 'registration/application-not-claimed'
  | 'registration/namespace-not-claimed';

/** A statement that the registration policy does not admit. */
export class AdmissionFault extends Fault<AdmissionFaultCode> {}

/** Stable, likewise. */
export type AnchorFaultCode = 'anchor/malformed' | 'anchor/outside-window' | 'anchor/subject-mismatch';

/** A record that is none of an anchor, or a certificate for which a registered anchor does not count. */
export class AnchorFault extends Fault<AnchorFaultCode> {}
