import { areEqualBytes } from '@margo-trust/bytes';
import { verifyStatementSignature, type Statement } from '@margo-trust/statement';
import { isRecordKeyAt, type TrustRoot } from '@margo-trust/verifier';
import { Refused } from './steps.ts';

/** Throws unless the registry itself signed this, with a key that the trust root names for `at` that time and place in a log. */
export function verifyRegistrySignature(
  statement: Statement,
  trust: TrustRoot,
  at: Date,
  place?: { readonly origin: string; readonly index: bigint },
): void {
  const { kid } = statement;
  if (statement.issuer !== trust.registry) {
    throw new Refused(`${statement.issuer} signed with a bare key, which only the registry may.`);
  }
  const record = trust.records.find((candidate) => kid && areEqualBytes(candidate.kid, kid));
  if (!record) throw new Refused('The trust root does not name the key that this statement says it was signed with.');
  if (at < record.validFrom) throw new Refused('The statement is older than the key that signed it.');
  if (place && !isRecordKeyAt(record, place)) throw new Refused('The key that signed it had been replaced by then.');
  verifyStatementSignature(statement, record.key);
}
