import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type MerkleFaultCode =
  | 'merkle/bad-hash'
  | 'merkle/bad-range'
  | 'merkle/bad-size'
  | 'merkle/bad-subtree'
  | 'merkle/index-out-of-range'
  | 'merkle/path-too-long'
  | 'merkle/path-too-short'
  | 'merkle/root-mismatch';

export class MerkleFault extends Fault<MerkleFaultCode> {}
