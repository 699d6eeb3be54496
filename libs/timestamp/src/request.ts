import {
  contextTag,
  derBoolean,
  derInteger,
  derOid,
  derSequence,
  openDer,
  readBoolean,
  readDer,
  readOid,
  readSmallInteger,
  readUnsigned,
  TAG,
} from '@margo-trust/x509';
import { malformed, readingDer, TimestampFault } from './fault.ts';
import { encodeImprint, readImprint, type MessageImprint } from './imprint.ts';

export interface TimestampRequest extends MessageImprint {
  /** Object identifier of the policy asked for. */
  readonly policy?: string;
  readonly nonce?: bigint;
  /** Whether the token is to hold the certificate of the authority. */
  readonly certReq: boolean;
}

/**
 * Reads a TimeStampReq (RFC 3161 §2.4.1). `timestamp/unsupported-hash` for digests other than SHA-256, -384 and -512,
 * `timestamp/unsupported-extension` for requests with extensions, `timestamp/malformed` for all else.
 * `failureOf` translates these into what the answer must say.
 */
export function parseTimestampRequest(der: Uint8Array): TimestampRequest {
  if (der.length > 4096) throw new TimestampFault('timestamp/too-large', 'The request is too large.');
  return readingDer(() => {
    const cursor = openDer(readDer(der, TAG.sequence));
    if (readSmallInteger(cursor.next(TAG.integer)) !== 1) throw malformed('The request has an unknown version.');
    const imprint = readImprint(cursor.next(TAG.sequence));
    const policy = cursor.optional(TAG.oid);
    const nonce = cursor.optional(TAG.integer);
    const certReq = cursor.optional(TAG.boolean);
    if (cursor.optional(contextTag(0, 'constructed'))) {
      throw new TimestampFault('timestamp/unsupported-extension', 'Extensions are not supported.');
    }
    cursor.end();
    return {
      ...imprint,
      ...(policy ? { policy: readOid(policy) } : {}),
      ...(nonce ? { nonce: readUnsigned(nonce) } : {}),
      // Some clients write the default out; what they mean is clear.
      certReq: certReq ? readBoolean(certReq) : false,
    };
  });
}

export function encodeTimestampRequest(request: TimestampRequest): Uint8Array {
  return derSequence(
    derInteger(1),
    encodeImprint(request),
    ...(request.policy === undefined ? [] : [derOid(request.policy)]),
    ...(request.nonce === undefined ? [] : [derInteger(request.nonce)]),
    ...(request.certReq ? [derBoolean(true)] : []),
  );
}
