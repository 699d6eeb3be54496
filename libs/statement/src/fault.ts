import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type StatementFaultCode =
  | 'statement/no-claims'
  | 'statement/bad-issuer'
  | 'statement/bad-subject'
  | 'statement/bad-time'
  | 'statement/no-content-type'
  | 'statement/payload-missing'
  | 'statement/no-key-hint'
  | 'statement/bad-certificate-hash'
  | 'statement/certificate-mismatch'
  | 'statement/bad-chain'
  | 'statement/bad-receipts'
  | 'statement/bad-timestamp-token'
  | 'statement/not-artifact-profile'
  | 'statement/bad-target'
  | 'statement/bad-release';

/** A statement that is well-formed COSE but not what the Margo Signature Profile asks for. */
export class StatementFault extends Fault<StatementFaultCode> {}
