import { Fault } from '@margo-trust/fault';

export type RevocationFaultCode = 'revocation/invalid-date' | 'revocation/narrower';

export class RevocationFault extends Fault<RevocationFaultCode> {}
