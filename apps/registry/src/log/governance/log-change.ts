import type { LogKeyPurpose } from '@margo-trust/auditor';

/** What somebody wants done with a log, as they asked for it. */
export interface WantedChange {
  readonly action: LogAction;
  /** Origin; default: what `name` says, or the first log. */
  readonly log?: string;
  /** Below `/logs/`. */
  readonly name?: string;
  readonly purpose?: LogKeyPurpose;
}

export const LOG_ACTIONS = ['open', 'close', 'freeze', 'retire', 'rotate-key'] as const;
export type LogAction = (typeof LOG_ACTIONS)[number];

/**
 * A change down to the last byte, so that what the second member approves is what the first one proposed. Keys are
 * SubjectPublicKeyInfo in base64. It is flat: a database that stores it keeps no order of members.
 */
export interface LogChange {
  readonly action: LogAction;
  /** Origin of the log that it is about. */
  readonly log: string;
  readonly purpose?: LogKeyPurpose;
  readonly key?: string;
  readonly replaces?: string;
  /** Of a log to be opened, with the keys that it begins with. */
  readonly name?: string;
  readonly checkpointKey?: string;
  readonly mlDsa44Key?: string;
  readonly receiptKey?: string;
  readonly sctKey?: string;
}

/** Whether two say the same, whatever the order of their members. */
export function areSameChange(a: LogChange, b: LogChange): boolean {
  const text = (change: LogChange) => JSON.stringify(Object.entries(change).sort(([x], [y]) => (x < y ? -1 : 1)));
  return text(a) === text(b);
}
