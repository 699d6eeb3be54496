import { Fault } from '@margo-trust/fault';

export type LogFaultCode =
  'log/not-open' | 'log/no-such-entry' | 'log/statement-erased' | 'log/no-such-tile' | 'log/no-such-key';

/** A question the log cannot answer. */
export class LogFault extends Fault<LogFaultCode> {}

export type RegistrationFaultCode =
  | 'registration/content-type-refused'
  | 'registration/algorithm-refused'
  | 'registration/no-chain'
  | 'registration/issuer-mismatch'
  | 'registration/unknown-vendor'
  | 'registration/vendor-not-active'
  | 'registration/certificate-revoked'
  | 'registration/application-not-claimed'
  | 'registration/namespace-not-claimed'
  | 'registration/overloaded';

/** A statement that the registration policy does not admit. */
export class RegistrationFault extends Fault<RegistrationFaultCode> {}
