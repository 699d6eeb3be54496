import { areEqualBytes } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { parseRegistrationPolicy, type RegistrationPolicy } from '@margo-trust/policy';
import { CONTENT, verifyStatementSignature, type Statement } from '@margo-trust/statement';
import { encodeVerifierKey, type VerifierKey } from '@margo-trust/tlog';
import { parseTrustRootDocument, type RecordKey, type TrustedLog, type TrustRootDocument } from '@margo-trust/verifier';
import { AuditorFault } from './fault.ts';
import type { CheckedRow } from './log-check.ts';

/** What a log says of itself in its first two entries (RFC 9943 §5.1). */
export interface Genesis {
  readonly policy: RegistrationPolicy;
  /** Whom the registry trusts and what it signs with. */
  readonly trust: TrustRootDocument;
  /** The log itself, as it stands in `trust`. */
  readonly log: TrustedLog;
}

/**
 * Reads the registration policy at index 0 and the anchors at index 1. Both must be signed by a key that the anchors name
 * for records, and the anchors must name the log with the key that the auditor holds.
 */
export function readGenesis([first, second]: readonly CheckedRow[], logKey: VerifierKey): Genesis {
  const policyStatement = ownStatement(first, 0n, CONTENT.policy, 'the registration policy');
  const anchorStatement = ownStatement(second, 1n, CONTENT.anchors, 'the trust anchors');
  const trust = read(1n, 'trust anchors', () => parseTrustRootDocument(anchorStatement.payload));
  for (const [index, statement] of [policyStatement, anchorStatement].entries()) {
    verifyRecord(BigInt(index), statement, trust.registry, trust.records);
  }
  const log = trust.logs.find(({ origin }) => origin === logKey.name);
  if (!log || !areEqualBytes(log.checkpointKey.publicKey, logKey.publicKey)) {
    const named = log ? encodeVerifierKey(log.origin, log.checkpointKey.publicKey) : 'no such log';
    throw new AuditorFault(
      'audit/wrong-genesis',
      `Entry 1 names ${named}, not the key that ${logKey.name} is audited with.`,
    );
  }
  const policy = read(0n, 'registration policy', () => parseRegistrationPolicy(policyStatement.payload));
  return { policy, trust, log };
}

/** Throws unless the registry of `issuer` made the statement, with one of its record keys. */
export function verifyRecord(index: bigint, statement: Statement, issuer: string, keys: readonly RecordKey[]): void {
  const { kid } = statement;
  const key = kid && keys.find((known) => areEqualBytes(known.kid, kid));
  if (statement.issuer !== issuer || !key) {
    throw new AuditorFault('audit/wrong-signature', `Entry ${index} is not by the registry ${issuer}.`, { index });
  }
  try {
    verifyStatementSignature(statement, key.key);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    const message = `The registry's signature of entry ${index} does not hold: ${cause.message}`;
    throw new AuditorFault('audit/wrong-signature', message, { index, cause });
  }
}

function ownStatement(row: CheckedRow | undefined, index: bigint, contentType: string, what: string): Statement {
  if (row?.index === index && row.statement?.contentType === contentType) return row.statement;
  throw new AuditorFault('audit/wrong-genesis', `Entry ${index} is not ${what}, with which every log begins.`, {
    index,
  });
}

function read<T>(index: bigint, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw new AuditorFault('audit/wrong-genesis', `The ${what} cannot be read: ${cause.message}`, { index, cause });
  }
}
