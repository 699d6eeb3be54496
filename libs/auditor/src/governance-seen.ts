import type { Hash } from '@margo-trust/merkle';
import { CONTENT } from '@margo-trust/statement';
import { AuditorFault } from './fault.ts';
import type { CheckedRow } from './log-check.ts';
import { RecordPayload } from './record.ts';

/** How much of a registry's first log the next entries of another one rest on: what a record `governance-seen` says. */
export interface GovernanceSeen {
  /** Where it is logged. */
  readonly index: bigint;
  /** Of the first log. */
  readonly origin: string;
  readonly size: bigint;
  readonly root: Hash;
}

/** What a row says of the first log, if it does. Throws `audit/wrong-admission` for a record that cannot be read. */
export function readGovernanceSeen({
  index,
  statement,
}: Pick<CheckedRow, 'index' | 'statement'>): GovernanceSeen | undefined {
  if (statement?.contentType !== CONTENT.record || !statement.subject.startsWith('governance:')) return undefined;
  const record = new RecordPayload(statement.payload, index);
  if (record.name !== 'governance-seen') return undefined;
  const size = record.text('size');
  if (!/^[1-9]\d{0,18}$/.test(size)) {
    throw new AuditorFault('audit/wrong-admission', `The record at entry ${index} names no tree size.`, { index });
  }
  return { index, origin: record.text('log'), size: BigInt(size), root: record.bytes('root') };
}
