import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type TlogFaultCode =
  | 'tlog/bad-bundle'
  | 'tlog/bad-checkpoint'
  | 'tlog/bad-note'
  | 'tlog/bad-path'
  | 'tlog/bad-policy'
  | 'tlog/bad-proof'
  | 'tlog/bad-request'
  | 'tlog/bad-signature'
  | 'tlog/bad-subtree'
  | 'tlog/bad-tile'
  | 'tlog/bad-verifier-key'
  | 'tlog/index-out-of-range'
  | 'tlog/no-quorum'
  | 'tlog/not-consistent'
  | 'tlog/origin-mismatch'
  | 'tlog/retired-key'
  | 'tlog/size-conflict'
  | 'tlog/unknown-log'
  | 'tlog/unknown-signer'
  | 'tlog/unsupported-key';

export class TlogFault extends Fault<TlogFaultCode> {}
