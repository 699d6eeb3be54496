import { Fault } from '@margo-trust/fault';

export type VendorFaultCode =
  | 'vendor/already-approved'
  | 'vendor/claim-taken'
  | 'vendor/not-found'
  | 'vendor/own-organisation'
  | 'vendor/subject-taken'
  | 'vendor/wrong-status';

export class VendorFault extends Fault<VendorFaultCode> {}
