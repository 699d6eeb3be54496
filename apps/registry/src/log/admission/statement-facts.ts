import { chainId } from '@margo-trust/policy';
import { readFacts, type Statement, type StatementFacts } from '@margo-trust/statement';
import type { NewEntry } from '../log.store.ts';

/** The row to be; certificate chains are stored once, under the digest of their certificates' digests. */
export function toNewEntry(statement: Statement, facts: StatementFacts = readFacts(statement)): NewEntry {
  const { chain, timestampToken, x5t } = statement;
  return {
    entry: statement.entry,
    body: statement.stripped,
    chain,
    ...(chain.length > 0 && { chainId: chainId(chain) }),
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
