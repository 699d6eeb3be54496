import { Fault } from '@margo-trust/fault';

export type WorkloadFaultCode =
  | 'workload/already-bound'
  | 'workload/ambiguous'
  | 'workload/bad-proof'
  | 'workload/invalid-token'
  | 'workload/issuer-not-admitted'
  | 'workload/issuer-unreachable'
  | 'workload/no-such-binding'
  | 'workload/not-bound'
  | 'workload/pattern-refused'
  | 'workload/token-used'
  | 'workload/too-many';

export class WorkloadFault extends Fault<WorkloadFaultCode> {}
