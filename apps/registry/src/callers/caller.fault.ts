import { Fault } from '@margo-trust/fault';

export type CallerFaultCode =
  'caller/forbidden' | 'caller/invalid-token' | 'caller/issuer-unreachable' | 'caller/unauthenticated';

export class CallerFault extends Fault<CallerFaultCode> {}
