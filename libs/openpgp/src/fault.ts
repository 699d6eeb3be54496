import { Fault } from '@margo-trust/fault';

/** Stable. */
export type OpenpgpFaultCode =
  | 'openpgp/bad-signature'
  | 'openpgp/key-expired'
  | 'openpgp/key-revoked'
  | 'openpgp/not-a-key'
  | 'openpgp/not-a-signature'
  | 'openpgp/not-provenance'
  | 'openpgp/other-file'
  | 'openpgp/private-key'
  | 'openpgp/signature-expired'
  | 'openpgp/too-large'
  | 'openpgp/unavailable'
  | 'openpgp/weak-key'
  | 'openpgp/weak-signature'
  | 'openpgp/wrong-key';

export class OpenpgpFault extends Fault<OpenpgpFaultCode> {}
