import { Fault } from '@margo-trust/fault';

export type OpenpgpKeyFaultCode =
  'openpgp/key-not-found' | 'openpgp/key-taken' | 'openpgp/too-many-keys' | 'openpgp/vendor-not-active';

export class OpenpgpKeyFault extends Fault<OpenpgpKeyFaultCode> {}
