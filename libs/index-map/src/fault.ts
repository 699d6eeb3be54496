import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type IndexMapFaultCode = 'index/bad-key' | 'index/bad-proof' | 'index/bad-record' | 'index/not-complete';

export class IndexMapFault extends Fault<IndexMapFaultCode> {}
