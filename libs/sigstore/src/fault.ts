import { Fault } from '@margo-trust/fault';

/** Stable. One row each in docs/errors.md; retire a code, never rename it. */
export type SigstoreFaultCode = 'sigstore/bad-request' | 'sigstore/no-certificate' | 'sigstore/unsupported';

/** Something in Sigstore's formats that cannot be read, or is not taken here. */
export class SigstoreFault extends Fault<SigstoreFaultCode> {}
