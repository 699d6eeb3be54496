import { derOctetString, derSequence, openDer, TAG, type DerNode } from '@margo-trust/x509';
import { malformed, TimestampFault } from './fault.ts';
import { digestBytes, encodeHash, readHash, type TimestampHash } from './hash.ts';

/** MessageImprint (RFC 3161 §2.4.1): what a stamp is for. */
export interface MessageImprint {
  readonly hash: TimestampHash;
  /** The digest of the message. */
  readonly imprint: Uint8Array;
}

export function readImprint(node: DerNode): MessageImprint {
  const cursor = openDer(node);
  const hash = readHash(cursor.next(TAG.sequence));
  const imprint = cursor.next(TAG.octetString).content;
  cursor.end();
  if (imprint.length !== digestBytes(hash)) throw malformed('The imprint has not the length of its digest.');
  return { hash, imprint };
}

export function encodeImprint({ hash, imprint }: MessageImprint): Uint8Array {
  if (imprint.length !== digestBytes(hash)) {
    throw new TimestampFault('timestamp/invalid-spec', `An imprint made with ${hash} has ${digestBytes(hash)} bytes.`);
  }
  return derSequence(encodeHash(hash), derOctetString(imprint));
}
