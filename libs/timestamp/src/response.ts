import { encodeUtf8 } from '@margo-trust/bytes';
import {
  derInteger,
  derNamedBits,
  derPrimitive,
  derSequence,
  openDer,
  readDer,
  readElements,
  readSmallInteger,
  TAG,
  type DerNode,
} from '@margo-trust/x509';
import { readingDer, TimestampFault } from './fault.ts';

/** Why a request was rejected, and the bit that says so (RFC 3161 §2.4.2). */
const FAILURES = {
  badAlg: 0,
  badRequest: 2,
  badDataFormat: 5,
  timeNotAvailable: 14,
  unacceptedPolicy: 15,
  unacceptedExtension: 16,
  systemFailure: 25,
} as const;

export type TimestampFailure = keyof typeof FAILURES;

/** The failure to answer with when `parseTimestampRequest` threw. */
export function failureOf({ code }: TimestampFault): TimestampFailure {
  if (code === 'timestamp/unsupported-hash') return 'badAlg';
  return code === 'timestamp/unsupported-extension' ? 'unacceptedExtension' : 'badDataFormat';
}

/** TimeStampResp (RFC 3161 §2.4.2): the token granted, or a rejection with its reason. */
export function encodeTimestampResponse(
  answer: { readonly token: Uint8Array } | { readonly failure: TimestampFailure; readonly text?: string },
): Uint8Array {
  if ('token' in answer) return derSequence(derSequence(derInteger(GRANTED)), answer.token);
  const text = answer.text === undefined ? [] : [derSequence(derPrimitive(TAG.utf8, encodeUtf8(answer.text)))];
  return derSequence(derSequence(derInteger(REJECTION), ...text, derNamedBits([FAILURES[answer.failure]])));
}

/** The TimeStampToken of a response; `timestamp/refused` when there is none. The token is not looked into. */
export function parseTimestampResponse(der: Uint8Array): { token: Uint8Array } {
  if (der.length > 131_072) throw new TimestampFault('timestamp/too-large', 'The response is too large.');
  return readingDer(() => {
    const cursor = openDer(readDer(der, TAG.sequence));
    const status = openDer(cursor.next(TAG.sequence));
    const granted = readSmallInteger(status.next(TAG.integer));
    const text = status.optional(TAG.sequence);
    status.optional(TAG.bitString);
    status.end();
    const token = cursor.optional(TAG.sequence);
    cursor.end();
    if (granted > GRANTED_WITH_MODS || !token) {
      throw new TimestampFault('timestamp/refused', `The time-stamping authority refused: ${readFreeText(text)}`);
    }
    return { token: token.der };
  });
}

const GRANTED = 0;
const GRANTED_WITH_MODS = 1;
const REJECTION = 2;

function readFreeText(node: DerNode | undefined): string {
  const texts = node ? readElements(node, TAG.utf8).map(({ content }) => textOf(content)) : [];
  return texts.join(' ') || 'no reason given.';
}

/** The authority's words are shown, but may not break the message they are shown in: printable ASCII, 200 characters. */
function textOf(content: Uint8Array): string {
  return String.fromCharCode(...content.subarray(0, 200)).replace(/[^ -~]/g, '?');
}
