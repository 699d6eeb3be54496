import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type TlogFaultCode =
  | 'tlog/bad-bundle'
  | 'tlog/bad-checkpoint'
  | 'tlog/bad-note'
  | 'tlog/bad-path'
  | 'tlog/bad-proof'
  | 'tlog/bad-signature'
  | 'tlog/bad-tile'
  | 'tlog/bad-verifier-key'
  | 'tlog/index-out-of-range'
  | 'tlog/origin-mismatch'
  | 'tlog/unknown-signer'
  | 'tlog/unsupported-key';

export class TlogFault extends Fault<TlogFaultCode> {}
