import { Fault } from '@margo-trust/fault';

/** Stable: retire a code, never rename or reuse it. */
export type ClientFaultCode =
  | 'client/bad-answer'
  | 'client/bad-key'
  | 'client/bad-status'
  | 'client/bad-url'
  | 'client/cache-unwritable'
  | 'client/incomplete-chain'
  | 'client/insecure'
  | 'client/key-mismatch'
  | 'client/no-initial-root'
  | 'client/no-release'
  | 'client/not-a-package'
  | 'client/not-claimed'
  | 'client/other-initial-root'
  | 'client/redirect'
  | 'client/sign-in-refused'
  | 'client/timeout'
  | 'client/too-large'
  | 'client/unreachable'
  | 'client/unsupported-source';

export class ClientFault extends Fault<ClientFaultCode> {}
