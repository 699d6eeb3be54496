import { Fault } from '@margo-trust/fault';

export type KeyFaultCode = 'key/unavailable';

/** A key that is in a token can be out of reach for a while. */
export class KeyFault extends Fault<KeyFaultCode> {}
