import { Fault } from '@margo-trust/fault';

/** Stable: retire a code, never rename or reuse it. */
export type TufFaultCode =
  | 'tuf/bad-key'
  | 'tuf/expired'
  | 'tuf/hash-mismatch'
  | 'tuf/malformed'
  | 'tuf/missing-metadata'
  | 'tuf/missing-target'
  | 'tuf/not-canonical'
  | 'tuf/rollback'
  | 'tuf/threshold-not-met'
  | 'tuf/too-large'
  | 'tuf/unknown-target'
  | 'tuf/unsupported'
  | 'tuf/wrong-version';

export class TufFault extends Fault<TufFaultCode> {}
