import { randomBytes } from 'node:crypto';
import { areEqualBytes } from '@margo-trust/bytes';
import { sha256 } from '@margo-trust/crypto';
import { encodeTimestampRequest, parseTimestampResponse, parseTimestampToken } from '@margo-trust/timestamp';
import { exchange } from './exchange.ts';
import { ClientFault } from './fault.ts';
import { readRefusal } from './refusal.ts';

/**
 * A time-stamp token over a message, from the authority at `url` (RFC 3161 §3.4): usually `<registry>/tsa`.
 *
 * The token is about this message and this request; who signed it is left to verifiers, who have a trust root. It holds
 * the authority's certificate, as `notation` wants it.
 */
export async function requestTimestamp(url: string, message: Uint8Array): Promise<Uint8Array> {
  const imprint = sha256(message);
  const nonce = BigInt(`0x${randomBytes(16).toString('hex')}`);
  const reply = await exchange({
    method: 'POST',
    url: new URL(url),
    headers: { 'content-type': 'application/timestamp-query', accept: 'application/timestamp-reply' },
    body: encodeTimestampRequest({ hash: 'SHA-256', imprint, nonce, certReq: true }),
    maxBytes: 131_072,
  });
  if (reply.status !== 200) throw readRefusal(reply);
  const { token } = parseTimestampResponse(reply.body);
  const { info } = parseTimestampToken(token);
  if (info.hash !== 'SHA-256' || !areEqualBytes(info.imprint, imprint) || info.nonce !== nonce) {
    throw new ClientFault('client/bad-answer', 'The time-stamping authority stamped something else.');
  }
  return token;
}
