import { Fault } from '@margo-trust/fault';

/** Stable: retire a code, never rename it. */
export type MargoFaultCode =
  | 'margo/too-large'
  | 'margo/too-deep'
  | 'margo/not-yaml'
  | 'margo/not-a-description'
  | 'margo/not-a-compose-file'
  | 'margo/not-a-chart'
  | 'margo/bad-archive'
  | 'margo/unsafe-archive'
  | 'margo/bad-image-name';

export class MargoFault extends Fault<MargoFaultCode> {}
