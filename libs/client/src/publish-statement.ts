import { attachToStatement, finishStatement, type Draft } from '@margo-trust/statement';
import type { SigningIdentity } from './identity.ts';
import { registerStatement } from './register.ts';
import { requestTimestamp } from './timestamp.ts';

/** Where what is signed becomes evidence. */
export interface Registry {
  /** Where the registry answers, without trailing slash. */
  readonly url: string;
  /** Default `<url>/tsa`. */
  readonly timestampUrl?: string;
}

export interface SigningContext {
  readonly identity: SigningIdentity;
  readonly registry: Registry;
  now(): Date;
  /** `name/version` of the signing software. */
  readonly agent: string;
}

export interface PublishedStatement {
  /** Transparent statement: with chain, time-stamp and receipt. */
  readonly statement: Uint8Array;
  readonly entryId: string;
}

/**
 * Signs a draft, has the signature time-stamped and the statement registered, and puts all that together.
 *
 * Nothing is handed out before it is in the log: a signature nobody can find does not count.
 */
export async function publishStatement(draft: Draft, context: SigningContext): Promise<PublishedStatement> {
  const { identity, registry, agent } = context;
  const signature = await identity.signer.sign(draft.toBeSigned);
  const timestampToken = await requestTimestamp(registry.timestampUrl ?? `${registry.url}/tsa`, signature);
  const signed = finishStatement(draft, signature, { chain: identity.chain, timestampToken, agent });
  const { receipt, entryId } = await registerStatement(registry.url, signed);
  return { statement: attachToStatement(signed, { receipts: [receipt] }), entryId };
}
