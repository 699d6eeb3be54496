import { Fault } from '@margo-trust/fault';

export type RevocationFaultCode =
  | 'revocation/already-voted'
  | 'revocation/bad-target'
  | 'revocation/invalid-date'
  | 'revocation/narrower'
  | 'revocation/nothing-found';

export class RevocationFault extends Fault<RevocationFaultCode> {}
