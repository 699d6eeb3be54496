import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type ReceiptFaultCode =
  | 'receipt/bad-signature'
  | 'receipt/checkpoint-mismatch'
  | 'receipt/empty-path'
  | 'receipt/issuer-mismatch'
  | 'receipt/malformed'
  | 'receipt/not-consistent'
  | 'receipt/not-included'
  | 'receipt/retired-key'
  | 'receipt/unknown-key'
  | 'receipt/unsupported-vds';

export class ReceiptFault extends Fault<ReceiptFaultCode> {}
