import { encodeBase64Url, parseBase64Url, parseJson } from '@margo-trust/bytes';
import { CONTENT, type Statement } from '@margo-trust/statement';
import type { WithholdingDecision } from '../log/withholding/withholding.store.ts';

const KINDS = {
  'statement-erased': 'erased',
  'statement-restricted': 'restricted',
  'statement-released': 'released',
} as const;

/** What the first log has on record of a statement in another one names that log, by its origin. */
export interface FoundDecision extends WithholdingDecision {
  readonly log?: string;
}

/** What a record of the registry decided about a statement, if it is one that did. `log/withholding/` writes them. */
export function findWithholding(
  statement: Pick<Statement, 'contentType' | 'issuer' | 'payload' | 'entry'>,
  registry: string,
): FoundDecision | undefined {
  if (statement.contentType !== CONTENT.record || statement.issuer !== registry) return undefined;
  const json = parseJson(statement.payload, { maxBytes: 1 << 20, maxDepth: 16 }) as Record<string, unknown>;
  const { record, entry, reason = '', at, log } = json;
  if (typeof record !== 'string' || !Object.hasOwn(KINDS, record)) return undefined;
  if (typeof entry !== 'string' || typeof reason !== 'string' || typeof at !== 'string') return undefined;
  return {
    kind: KINDS[record as keyof typeof KINDS],
    entry: parseBase64Url(entry),
    reason,
    recordEntryId: encodeBase64Url(statement.entry),
    at: new Date(at),
    ...(typeof log === 'string' && { log }),
  };
}
