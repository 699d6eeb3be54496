import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type CryptoFaultCode =
  'crypto/bad-key' | 'crypto/weak-key' | 'crypto/unsupported' | 'crypto/algorithm-mismatch' | 'crypto/bad-signature';

export class CryptoFault extends Fault<CryptoFaultCode> {}
