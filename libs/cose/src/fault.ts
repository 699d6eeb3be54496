import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type CoseFaultCode =
  | 'cose/malformed'
  | 'cose/too-large'
  | 'cose/unsupported-algorithm'
  | 'cose/critical-header'
  | 'cose/payload-missing'
  | 'cose/payload-mismatch'
  | 'cose/bad-key'
  | 'cose/unsupported-key'
  | 'cose/private-key';

export class CoseFault extends Fault<CoseFaultCode> {}
