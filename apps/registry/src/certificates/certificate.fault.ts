import { Fault } from '@margo-trust/fault';

export type CertificateFaultCode =
  | 'certificate/ambiguous-request'
  | 'certificate/attestation-refused'
  | 'certificate/ca-retired'
  | 'certificate/issuer-revoked'
  | 'certificate/key-blocked'
  | 'certificate/key-refused'
  | 'certificate/key-used'
  | 'certificate/not-found'
  | 'certificate/profile-violation'
  | 'certificate/vendor-not-active';

export class CertificateFault extends Fault<CertificateFaultCode> {}
