import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type AuditorFaultCode = 'audit/bad-evidence';

export class AuditorFault extends Fault<AuditorFaultCode> {}
