import { sha256 } from '@margo-trust/crypto';
import { concatBytes } from '@margo-trust/bytes';
import { readFacts, type Statement, type StatementFacts } from '@margo-trust/statement';
import type { NewEntry } from './log.store.ts';

/** The row to be; certificate chains are stored once, under the digest of their certificates' digests. */
export function toNewEntry(statement: Statement, facts: StatementFacts = readFacts(statement)): NewEntry {
  const { chain, timestampToken, x5t } = statement;
  return {
    entry: statement.entry,
    body: statement.stripped,
    chain,
    ...(chain.length > 0 && { chainId: chainIdOf(chain) }),
    ...(timestampToken && { timestampToken }),
    contentType: statement.contentType,
    issuer: statement.issuer,
    subject: statement.subject,
    ...(facts.applicationId !== undefined && { applicationId: facts.applicationId }),
    ...(facts.version !== undefined && { version: facts.version }),
    ...(x5t && { certificate: x5t }),
    mentions: [...facts.digests, ...facts.references],
  };
}

export function chainIdOf(chain: readonly Uint8Array[]): Uint8Array {
  return sha256(concatBytes(...chain.map((der) => sha256(der))));
}
