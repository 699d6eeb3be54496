import { Fault } from '@margo-trust/fault';

/** Stable: retire a code, never rename or reuse it. */
export type ClientFaultCode =
  | 'client/bad-status'
  | 'client/cache-unwritable'
  | 'client/no-initial-root'
  | 'client/other-initial-root'
  | 'client/redirect'
  | 'client/timeout'
  | 'client/too-large'
  | 'client/unreachable'
  | 'client/unsupported-source';

export class ClientFault extends Fault<ClientFaultCode> {}
