import { areEqualBytes, encodeBase64 } from '@margo-trust/bytes';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import type { ReceiptKey } from '@margo-trust/receipt';
import { CONTENT } from '@margo-trust/statement';
import {
  ED25519_NOTE,
  isInWindow,
  ML_DSA_44_COSIGNATURE,
  TlogFault,
  verifierKeyFromSpki,
  verifierKeySpki,
  type Checkpoint,
  type CheckpointKey,
  type KeyWindow,
  type VerifierKey,
  type VerifyMlDsa44,
} from '@margo-trust/tlog';
import type { RecordKey } from '@margo-trust/verifier';
import { AuditorFault } from './fault.ts';
import type { Genesis } from './genesis.ts';
import type { CheckedRow } from './log-check.ts';
import { RecordPayload } from './record.ts';
import { verifyCheckpoint } from './verify-checkpoint.ts';

/** What a log signs with, a log without ML-DSA-44 aside: see docs/operations/log-keys.md. */
export const LOG_KEY_PURPOSES = ['checkpoint', 'checkpoint-ml-dsa-44', 'receipt', 'sct', 'record'] as const;
export type LogKeyPurpose = (typeof LOG_KEY_PURPOSES)[number];

/** That a key of the log replaces another one: what a record `log-key` says. */
export interface KeyEvent {
  /** Where it is logged. */
  readonly index: bigint;
  readonly origin: string;
  readonly purpose: LogKeyPurpose;
  /** SubjectPublicKeyInfo, DER. */
  readonly key: Uint8Array;
  /** The key before; absent for the first ML-DSA-44 key of a log that began without one. */
  readonly replaces?: Uint8Array;
  /** The smallest tree that the new key signs for. A record counts as of the tree that it is the last leaf of. */
  readonly fromSize: bigint;
}

/** The event that a row records, if it is one. Throws `audit/wrong-admission` for one that cannot be read or dates itself otherwise than its place. */
export function readKeyEvent(checked: Pick<CheckedRow, 'index' | 'statement'>): KeyEvent | undefined {
  const { index, statement } = checked;
  if (statement?.contentType !== CONTENT.record || !statement.subject.startsWith('log-key:')) return undefined;
  const record = new RecordPayload(statement.payload, index);
  if (record.name !== 'log-key') return undefined;
  const purpose = LOG_KEY_PURPOSES.find((known) => known === record.text('purpose'));
  if (!purpose) throw wrong(index, `replaces a key of the unknown purpose "${record.text('purpose')}"`);
  if (record.text('fromSize') !== (index + 2n).toString()) {
    throw wrong(
      index,
      `says that its key signs from ${record.text('fromSize')} entries on, and that is from ${index + 2n} on`,
    );
  }
  const isFirst = purpose === 'checkpoint-ml-dsa-44' && record.optionalText('replaces') === undefined;
  return {
    ...{ index, purpose, origin: record.text('log'), fromSize: index + 2n, key: record.bytes('key') },
    ...(!isFirst && { replaces: record.bytes('replaces') }),
  };
}

interface WindowedRecordKey extends RecordKey, KeyWindow {}

/**
 * The keys of a log, from those that its second entry names on and as its records replace them; and whether a record has frozen
 * it. Rows must come from a `LogCheck` over the same log, all of them, from the third one on.
 */
export class LogKeyHistory {
  private readonly origin: string;
  private checkpoint: readonly CheckpointKey[];
  private mlDsa44: readonly CheckpointKey[];
  private receipt: readonly ReceiptKey[];
  private record: readonly WindowedRecordKey[];
  private sct: Uint8Array | undefined;
  private frozenAt: bigint | undefined;

  constructor({ log, trust }: Genesis) {
    this.origin = log.origin;
    this.checkpoint = [{ key: log.checkpointKey, fromSize: 0n }];
    this.mlDsa44 = log.mlDsa44History;
    this.receipt = log.receiptKeys;
    this.record = trust.records.map((key) => ({ ...key, fromSize: 0n }));
    this.sct = log.sctKey?.spki;
  }

  /** What checkpoints verify with, oldest first: Ed25519, of which each has a signature. */
  get checkpointKeys(): readonly CheckpointKey[] {
    return this.checkpoint;
  }

  /** What those with an ML-DSA-44 signature verify with too, oldest first. */
  get mlDsa44Keys(): readonly CheckpointKey[] {
    return this.mlDsa44;
  }

  /** The checkpoint in a note, by the keys that the log's own records name: every signature of one of them must hold. Throws as `verifyCheckpoint`. */
  verify(note: Uint8Array, verifyMlDsa44: VerifyMlDsa44): Checkpoint {
    return verifyCheckpoint(note, [...this.checkpoint, ...this.mlDsa44], verifyMlDsa44);
  }

  get receiptKeys(): readonly ReceiptKey[] {
    return this.receipt;
  }

  /** The keys that may have signed the record at `index`. */
  recordKeysAt(index: bigint): readonly RecordKey[] {
    return this.record.filter((key) => isInWindow(key, index + 1n));
  }

  /** Takes the next row. Throws `audit/wrong-admission` for an event that does not continue the keys, and `audit/after-freeze`. */
  add(row: CheckedRow): void {
    if (this.frozenAt !== undefined) {
      const message = `Entry ${row.index} comes after the record at entry ${this.frozenAt} that froze this log.`;
      throw new AuditorFault('audit/after-freeze', message, { index: row.index });
    }
    const event = readKeyEvent(row);
    if (event) this.rotate(event);
    else if (isFreeze(row, this.origin)) this.frozenAt = row.index;
  }

  private rotate(event: KeyEvent): void {
    const { index, purpose, origin, key, replaces } = event;
    if (origin !== this.origin) throw wrong(index, `replaces a key of the log ${origin}`);
    const current = this.currentOf(purpose);
    if (!replaces) {
      if (current) throw wrong(index, `begins a ${purpose} key beside the one that signs then`);
    } else if (!current || !areEqualBytes(current, replaces)) {
      throw wrong(index, `replaces the ${purpose} key ${encodeBase64(replaces)}, which does not sign then`);
    }
    try {
      this.replace(event);
    } catch (cause) {
      if (cause instanceof AuditorFault || !(cause instanceof Fault)) throw cause;
      throw wrong(index, `names the ${purpose} key ${encodeBase64(key)}, which is none: ${cause.message}`);
    }
  }

  private currentOf(purpose: LogKeyPurpose): Uint8Array | undefined {
    if (purpose === 'sct') return this.sct;
    if (purpose === 'checkpoint' || purpose === 'checkpoint-ml-dsa-44') {
      const last = (purpose === 'checkpoint' ? this.checkpoint : this.mlDsa44).at(-1);
      return last && verifierKeySpki(last.key);
    }
    const keys = purpose === 'receipt' ? this.receipt : this.record;
    return keys.find(({ untilSize }) => untilSize === undefined)?.key.spki;
  }

  private replace({ purpose, key: spki, fromSize }: KeyEvent): void {
    const close = <K extends { readonly untilSize?: bigint }>(keys: readonly K[]): K[] =>
      keys.map((key) => (key.untilSize === undefined ? { ...key, untilSize: fromSize } : key));
    if (purpose === 'checkpoint') {
      this.checkpoint = [...close(this.checkpoint), { key: this.noteKey(spki, ED25519_NOTE), fromSize }];
      return;
    }
    if (purpose === 'checkpoint-ml-dsa-44') {
      this.mlDsa44 = [...close(this.mlDsa44), { key: this.noteKey(spki, ML_DSA_44_COSIGNATURE), fromSize }];
      return;
    }
    const key = parsePublicKey(spki);
    if (purpose === 'sct') this.sct = spki;
    else if (purpose === 'receipt') {
      const last = this.receipt.find(({ untilSize }) => untilSize === undefined);
      if (!last) return;
      this.receipt = [...close(this.receipt), { ...last, kid: coseKeyThumbprint(key), key, fromSize }];
    } else {
      const last = this.record.find(({ untilSize }) => untilSize === undefined);
      if (!last) return;
      this.record = [...close(this.record), { ...last, kid: coseKeyThumbprint(key), key, fromSize }];
    }
  }

  private noteKey(spki: Uint8Array, type: number): VerifierKey {
    const key = verifierKeyFromSpki(this.origin, spki);
    if (key.type === type) return key;
    throw new TlogFault('tlog/unsupported-key', 'It is a key of the other kind.');
  }
}

/** In the first log there are records about others too. */
function isFreeze({ index, statement }: CheckedRow, origin: string): boolean {
  if (statement?.contentType !== CONTENT.record || !statement.subject.startsWith('log:')) return false;
  const record = new RecordPayload(statement.payload, index);
  return record.name === 'log-frozen' && record.text('log') === origin;
}

function wrong(index: bigint, what: string): AuditorFault {
  return new AuditorFault('audit/wrong-admission', `The record at entry ${index} ${what}.`, { index });
}
