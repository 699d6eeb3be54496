import { areEqualBytes } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { parseStatement, verifyStatementSignature, type Statement } from '@margo-trust/statement';
import { isRecordKeyAt, type TrustRoot } from './trust-root.ts';
import type { TrustedTime } from './trusted-time.ts';

/**
 * Opens a record of the registry that travels with what it grants: signed by a key that signed records then, and in the log. The
 * online role alone can make no such thing. `unproven` makes what is thrown of a sentence that says why not.
 */
export function openRecord(
  bytes: Uint8Array,
  { trust, time }: { trust: TrustRoot; time: TrustedTime },
  unproven: (message: string, cause?: unknown) => Error,
): Statement {
  let flaw: string | undefined;
  try {
    const record = parseStatement(bytes);
    const signer = trust.records.find(({ kid }) => record.kid && areEqualBytes(kid, record.kid));
    if (signer && record.issuer === trust.registry) {
      verifyStatementSignature(record, signer.key);
      const { places, time: recordedAt } = time.of(record);
      if (recordedAt < signer.validFrom) flaw = 'its record is older than the key that signed it.';
      else if (isRecordKeyAt(signer, places[0])) return record;
      else flaw = 'the key that signed its record had been replaced by then.';
    } else flaw = 'its record is signed by a key we do not know.';
  } catch (error) {
    if (error instanceof Fault) throw unproven(error.message, error);
    throw error;
  }
  throw unproven(flaw);
}
