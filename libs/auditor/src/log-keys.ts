import { areEqualBytes, encodeBase64 } from '@margo-trust/bytes';
import { coseKeyThumbprint } from '@margo-trust/cose';
import { parsePublicKey } from '@margo-trust/crypto';
import { Fault } from '@margo-trust/fault';
import type { ReceiptKey } from '@margo-trust/receipt';
import { CONTENT } from '@margo-trust/statement';
import { encodeVerifierKey, isInWindow, parseVerifierKey, type CheckpointKey, type KeyWindow } from '@margo-trust/tlog';
import type { RecordKey } from '@margo-trust/verifier';
import { AuditorFault } from './fault.ts';
import type { Genesis } from './genesis.ts';
import type { CheckedRow } from './log-check.ts';
import { RecordPayload } from './record.ts';

/** What a log signs with: see docs/operations/log-keys.md. */
export const LOG_KEY_PURPOSES = ['checkpoint', 'receipt', 'sct', 'record'] as const;
export type LogKeyPurpose = (typeof LOG_KEY_PURPOSES)[number];

/** That a key of the log replaces another one: what a record `log-key` says. */
export interface KeyEvent {
  /** Where it is logged. */
  readonly index: bigint;
  readonly origin: string;
  readonly purpose: LogKeyPurpose;
  /** SubjectPublicKeyInfo, DER: the new key, and the one that it replaces. */
  readonly key: Uint8Array;
  readonly replaces: Uint8Array;
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
  return {
    ...{ index, purpose, origin: record.text('log'), fromSize: index + 2n },
    key: record.bytes('key'),
    replaces: record.bytes('replaces'),
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
  private receipt: readonly ReceiptKey[];
  private record: readonly WindowedRecordKey[];
  private sct: Uint8Array | undefined;
  private frozenAt: bigint | undefined;

  constructor({ log, trust }: Genesis) {
    this.origin = log.origin;
    this.checkpoint = [{ key: log.checkpointKey, fromSize: 0n }];
    this.receipt = log.receiptKeys;
    this.record = trust.records.map((key) => ({ ...key, fromSize: 0n }));
    this.sct = log.sctKey?.spki;
  }

  /** What checkpoints verify with, oldest first. */
  get checkpointKeys(): readonly CheckpointKey[] {
    return this.checkpoint;
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
    if (!current || !areEqualBytes(current, replaces)) {
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
    if (purpose === 'checkpoint') {
      const last = this.checkpoint.at(-1);
      return last && ed25519Spki(last.key.publicKey);
    }
    const keys = purpose === 'receipt' ? this.receipt : this.record;
    return keys.find(({ untilSize }) => untilSize === undefined)?.key.spki;
  }

  private replace({ purpose, key: spki, fromSize }: KeyEvent): void {
    const close = <K extends { readonly untilSize?: bigint }>(keys: readonly K[]): K[] =>
      keys.map((key) => (key.untilSize === undefined ? { ...key, untilSize: fromSize } : key));
    const key = parsePublicKey(spki);
    if (purpose === 'sct') this.sct = spki;
    else if (purpose === 'checkpoint') {
      const vkey = parseVerifierKey(encodeVerifierKey(this.origin, spki.slice(-32)));
      this.checkpoint = [...close(this.checkpoint), { key: vkey, fromSize }];
    } else if (purpose === 'receipt') {
      const last = this.receipt.find(({ untilSize }) => untilSize === undefined);
      if (!last) return;
      this.receipt = [...close(this.receipt), { ...last, kid: coseKeyThumbprint(key), key, fromSize }];
    } else {
      const last = this.record.find(({ untilSize }) => untilSize === undefined);
      if (!last) return;
      this.record = [...close(this.record), { ...last, kid: coseKeyThumbprint(key), key, fromSize }];
    }
  }
}

/** In the first log there are records about others too. */
function isFreeze({ index, statement }: CheckedRow, origin: string): boolean {
  if (statement?.contentType !== CONTENT.record || !statement.subject.startsWith('log:')) return false;
  const record = new RecordPayload(statement.payload, index);
  return record.name === 'log-frozen' && record.text('log') === origin;
}

/** SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 §4). */
export function ed25519Spki(publicKey: Uint8Array): Uint8Array {
  return Uint8Array.of(0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, ...publicKey);
}

function wrong(index: bigint, what: string): AuditorFault {
  return new AuditorFault('audit/wrong-admission', `The record at entry ${index} ${what}.`, { index });
}
