import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type CborFaultCode =
  | 'cbor/truncated'
  | 'cbor/trailing-bytes'
  | 'cbor/not-minimal'
  | 'cbor/indefinite-length'
  | 'cbor/duplicate-key'
  | 'cbor/bad-text'
  | 'cbor/unsupported'
  | 'cbor/too-deep'
  | 'cbor/too-many-items';

export class CborFault extends Fault<CborFaultCode> {}
