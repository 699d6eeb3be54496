import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type FilterFaultCode = 'filter/bad-input' | 'filter/malformed';

export class FilterFault extends Fault<FilterFaultCode> {}
