import { Fault } from '@margo-trust/fault';

export type LogFaultCode =
  | 'log/behind'
  | 'log/not-committed'
  | 'log/not-open'
  | 'log/no-such-entry'
  | 'log/statement-erased'
  | 'log/no-such-tile'
  | 'log/no-such-key';

/** A question the log cannot answer. */
export class LogFault extends Fault<LogFaultCode> {}

export type RegistrationFaultCode = 'registration/overloaded';

/** A registration that was not decided about; libs/policy has the faults of those that were refused. */
export class RegistrationFault extends Fault<RegistrationFaultCode> {}
