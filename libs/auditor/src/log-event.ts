import { Fault } from '@margo-trust/fault';
import type { Hash } from '@margo-trust/merkle';
import { CONTENT } from '@margo-trust/statement';
import { ED25519_NOTE, verifierKeyFromSpki, type VerifierKey } from '@margo-trust/tlog';
import { AuditorFault } from './fault.ts';
import type { CheckedRow } from './log-check.ts';
import { RecordPayload } from './record.ts';

/** What became of a log as a whole. The first log of a registry has it on record for all of them; see docs/operations/logs.md. */
export type LogEvent = {
  /** Where it is logged. */
  readonly index: bigint;
  /** Of the log that it is about. */
  readonly origin: string;
  /** Whole seconds. */
  readonly at: Date;
} & (
  | {
      readonly what: 'opened';
      /** Below `/logs/`, and the first label of `origin`: a to z, 0 to 9 and hyphens. */
      readonly name: string;
      /** What its checkpoints begin with. */
      readonly key: VerifierKey;
    }
  | { readonly what: 'closed' }
  /** `final` is what the first log says of another one; its own last entry is part of that tree. */
  | { readonly what: 'frozen'; readonly final?: { readonly size: bigint; readonly root: Hash } }
  | { readonly what: 'retired' }
);

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,29}[a-z0-9])?$/;

/** The event that a row records, if it is one. Throws `audit/wrong-admission` for one that cannot be read. */
export function readLogEvent({ index, statement }: Pick<CheckedRow, 'index' | 'statement'>): LogEvent | undefined {
  if (statement?.contentType !== CONTENT.record || !statement.subject.startsWith('log:')) return undefined;
  const record = new RecordPayload(statement.payload, index);
  const common = () => ({ index, origin: record.text('log'), at: record.time('at') });
  switch (record.name) {
    case 'log-opened':
      return { ...common(), what: 'opened', ...readOpened(record, index) };
    case 'log-closed':
      return { ...common(), what: 'closed' };
    case 'log-frozen': {
      const size = record.optionalText('size');
      if (size === undefined) return { ...common(), what: 'frozen' };
      if (!/^[1-9]\d{0,18}$/.test(size)) throw wrong(index, `freezes a tree of "${size}" entries`);
      return { ...common(), what: 'frozen', final: { size: BigInt(size), root: record.bytes('root') } };
    }
    case 'log-retired':
      return { ...common(), what: 'retired' };
    default:
      return undefined;
  }
}

function readOpened(record: RecordPayload, index: bigint): { name: string; key: VerifierKey } {
  const [origin, name, spki] = [record.text('log'), record.text('name'), record.bytes('checkpointKey')];
  if (!NAME.test(name) || !origin.startsWith(`${name}.`)) {
    throw wrong(index, `opens the log ${origin} under the name "${name}"`);
  }
  const key = readKey(origin, spki, index);
  if (key.type !== ED25519_NOTE) throw wrong(index, 'names a checkpoint key that is not Ed25519');
  return { name, key };
}

function readKey(origin: string, spki: Uint8Array, index: bigint): VerifierKey {
  try {
    return verifierKeyFromSpki(origin, spki);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw wrong(index, `opens the log ${origin}, which can have no such key: ${cause.message}`);
  }
}

function wrong(index: bigint, what: string): AuditorFault {
  return new AuditorFault('audit/wrong-admission', `The record at entry ${index} ${what}.`, { index });
}
