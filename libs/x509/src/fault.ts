import { Fault } from '@margo-trust/fault';

/** Stable: retire a code, never rename it. */
export type X509FaultCode =
  | 'x509/bad-signature'
  | 'x509/crl-delta'
  | 'x509/crl-indirect'
  | 'x509/crl-not-usable'
  | 'x509/crl-stale'
  | 'x509/expired'
  | 'x509/extended-key-usage'
  | 'x509/invalid-spec'
  | 'x509/key-usage'
  | 'x509/malformed'
  | 'x509/name-constraints'
  | 'x509/no-crl'
  | 'x509/no-path'
  | 'x509/no-sct'
  | 'x509/not-a-ca'
  | 'x509/not-yet-valid'
  | 'x509/path-length'
  | 'x509/policy'
  | 'x509/revoked'
  | 'x509/too-complex'
  | 'x509/too-large'
  | 'x509/unknown-critical-extension'
  | 'x509/unsupported'
  | 'x509/weak';

/** What a CRL says about one certificate. */
export interface Revocation {
  /** Of the revoked certificate: hex of the serial number. */
  readonly serialHex: string;
  /** Fingerprint (SHA-256, hex) of the revoked certificate. */
  readonly fingerprint: string;
  readonly revokedAt: Date;
  readonly reason?: CrlReason;
  readonly invalidityDate?: Date;
}

/** RFC 5280 §5.3.1. */
export type CrlReason =
  | 'unspecified'
  | 'keyCompromise'
  | 'cACompromise'
  | 'affiliationChanged'
  | 'superseded'
  | 'cessationOfOperation'
  | 'certificateHold'
  | 'removeFromCRL'
  | 'privilegeWithdrawn'
  | 'aACompromise';

export class X509Fault extends Fault<X509FaultCode> {
  /** Only with `x509/revoked`. */
  readonly revocation?: Revocation;

  constructor(code: X509FaultCode, message: string, options?: ErrorOptions & { revocation?: Revocation }) {
    super(code, message, options);
    if (options?.revocation) this.revocation = options.revocation;
  }
}

/**
 * The fault that `step` ends with, as a value. All else is a bug and flies, and so does `x509/too-complex`: what was not
 * looked at for want of means must never count as looked at.
 */
export function faultOf(step: () => void): X509Fault | undefined {
  try {
    step();
    return undefined;
  } catch (error) {
    if (error instanceof X509Fault && error.code !== 'x509/too-complex') return error;
    throw error;
  }
}
