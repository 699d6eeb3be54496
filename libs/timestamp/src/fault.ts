import { Fault } from '@margo-trust/fault';
import { X509Fault } from '@margo-trust/x509';

/** Stable: retire a code, never rename it. */
export type TimestampFaultCode =
  | 'timestamp/bad-signature'
  | 'timestamp/imprint-mismatch'
  | 'timestamp/invalid-spec'
  | 'timestamp/malformed'
  | 'timestamp/refused'
  | 'timestamp/too-large'
  | 'timestamp/unsupported-extension'
  | 'timestamp/unsupported-hash'
  | 'timestamp/untrusted';

export class TimestampFault extends Fault<TimestampFaultCode> {}

export function malformed(message: string): TimestampFault {
  return new TimestampFault('timestamp/malformed', message);
}

/** What DER readers refuse is malformed here too. */
export function readingDer<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof X509Fault)) throw cause;
    throw new TimestampFault('timestamp/malformed', cause.message, { cause });
  }
}
