import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type BytesFaultCode =
  | 'bytes/bad-hex'
  | 'bytes/bad-base64'
  | 'bytes/bad-utf8'
  | 'bytes/lone-surrogate'
  | 'bytes/bad-json'
  | 'bytes/duplicate-key'
  | 'bytes/too-deep'
  | 'bytes/too-large';

export class BytesFault extends Fault<BytesFaultCode> {}
