import { Fault } from '@margo-trust/fault';

/** Stable: retire a code, never rename it. */
export type OciFaultCode =
  | 'oci/bad-reference'
  | 'oci/bad-digest'
  | 'oci/bad-manifest'
  | 'oci/bad-layout'
  | 'oci/bad-credentials'
  | 'oci/bad-answer'
  | 'oci/bad-archive'
  | 'oci/digest-mismatch'
  | 'oci/size-mismatch'
  | 'oci/too-large'
  | 'oci/too-many'
  | 'oci/not-found'
  | 'oci/not-a-signature'
  | 'oci/unreachable'
  | 'oci/unauthorized'
  | 'oci/refused'
  | 'oci/busy'
  | 'oci/insecure'
  | 'oci/redirect-refused'
  | 'oci/write-conflict';

export class OciFault extends Fault<OciFaultCode> {}
