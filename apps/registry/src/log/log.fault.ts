import { Fault } from '@margo-trust/fault';

export type LogFaultCode =
  | 'log/behind'
  | 'log/frozen'
  | 'log/key-missing'
  | 'log/not-committed'
  | 'log/none-active'
  | 'log/not-open'
  | 'log/damaged'
  | 'log/not-witnessed'
  | 'log/no-such-entry'
  | 'log/not-a-statement'
  | 'log/not-indexed'
  | 'log/statement-erased'
  | 'log/statement-restricted'
  | 'log/already-voted'
  | 'log/already-withheld'
  | 'log/not-erasable'
  | 'log/not-restricted'
  | 'log/no-such-proof'
  | 'log/no-such-tile'
  | 'log/no-such-key';

/** A question the log cannot answer. */
export class LogFault extends Fault<LogFaultCode> {}

export type PolicyDecisionFaultCode =
  'policy/wrong-version' | 'policy/no-such-proposal' | 'policy/passed-over' | 'policy/own-proposal';

/** A change of the registration policy that cannot be made so. */
export class PolicyDecisionFault extends Fault<PolicyDecisionFaultCode> {}

export type RegistrationFaultCode =
  'registration/anchor-withdrawn' | 'registration/overloaded' | 'registration/policy-changed';

export type LogChangeFaultCode =
  | 'log/bad-change'
  | 'log/governs'
  | 'log/key-used'
  | 'log/name-taken'
  | 'log/no-keys'
  | 'log/no-next-key'
  | 'log/no-such-log'
  | 'log/no-such-proposal'
  | 'log/not-active'
  | 'log/not-frozen'
  | 'log/own-proposal'
  | 'log/passed-over'
  | 'log/too-many';

/** A change of a log or its keys that cannot be made so. */
export class LogChangeFault extends Fault<LogChangeFaultCode> {}

/** A registration that was not decided about; libs/policy has the faults of those that were refused. */
export class RegistrationFault extends Fault<RegistrationFaultCode> {}
