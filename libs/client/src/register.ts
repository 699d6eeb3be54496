import { setTimeout as sleep } from 'node:timers/promises';
import { parseReceipt } from '@margo-trust/receipt';
import { parseStatement } from '@margo-trust/statement';
import { exchange, type HttpReply } from './exchange.ts';
import { ClientFault } from './fault.ts';
import { readRefusal, RegistryFault } from './refusal.ts';

export interface Registered {
  /** COSE receipt (RFC 9942). Not verified: that takes a trust root. */
  readonly receipt: Uint8Array;
  readonly entryId: string;
}

/**
 * Registers a Signed Statement (draft-ietf-scitt-scrapi-11 §2.1.2) and returns its receipt. Who signed is the credential:
 * no login is needed. Registering the same statement again gives the same entry, so a busy registry is asked again.
 *
 * What is registered is the statement without its unprotected header, but its chain must travel along.
 */
export async function registerStatement(registryUrl: string, statement: Uint8Array): Promise<Registered> {
  const { entryId } = parseStatement(statement);
  for (let attempt = 1; ; attempt++) {
    const reply = await exchange({
      method: 'POST',
      url: new URL(`${registryUrl}/entries`),
      headers: { 'content-type': 'application/cose', accept: 'application/cose' },
      body: statement,
    });
    if (reply.status === 201 || reply.status === 200) return readReceipt(reply, entryId);
    const refusal = readRefusal(reply);
    const seconds = refusal instanceof RegistryFault ? refusal.retryAfterSeconds : undefined;
    if (seconds === undefined || attempt === ATTEMPTS) throw refusal;
    await sleep(Math.min(seconds, MAX_WAIT_SECONDS) * 1000);
  }
}

function readReceipt({ headers, body }: HttpReply, entryId: string): Registered {
  const named = headers.get('location')?.split('/').at(-1);
  if (named !== undefined && named !== entryId) {
    throw new ClientFault('client/bad-answer', 'The registry answers with the entry of another statement.');
  }
  parseReceipt(body);
  return { receipt: body, entryId };
}

const ATTEMPTS = 4;
const MAX_WAIT_SECONDS = 10;
