import type { LogKeyPurpose } from '@margo-trust/auditor';

/** What somebody wants done with a log, as they asked for it. */
export interface WantedChange {
  readonly action: LogAction;
  /** Origin; default: the log that takes statements now. */
  readonly log?: string;
  readonly purpose?: LogKeyPurpose;
}

export type LogAction = 'rotate-key';

/**
 * A change down to the last byte, so that what the second member approves is what the first one proposed. Keys are
 * SubjectPublicKeyInfo in base64.
 */
export interface LogChange {
  readonly action: LogAction;
  /** Origin of the log that it is about. */
  readonly log: string;
  readonly purpose?: LogKeyPurpose;
  readonly key?: string;
  readonly replaces?: string;
}

/** Whether two say the same, whatever the order of their members. */
export function areSameChange(a: LogChange, b: LogChange): boolean {
  const text = (change: LogChange) => JSON.stringify(Object.entries(change).sort(([x], [y]) => (x < y ? -1 : 1)));
  return text(a) === text(b);
}
