import { Injectable } from '@nestjs/common';

/** The steps from a batch to its receipts, and of what follows a new head: each name says what has been done, or is next. */
export const LOG_STEPS = [
  // In the sealing transaction; a record of the registry's own takes them too, but for the late checks.
  'head locked',
  'checked late',
  'entries inserted',
  'tile inserted',
  'head moved',
  'before commit',
  'committed',
  // A receipt's or a checkpoint's signature, and this machine's memory of it.
  'before signing',
  'signed',
  'before acknowledging',
  'before high water',
  'high water drafted',
  'high water kept',
  // The checkpoint as witnesses have cosigned it.
  'checkpoint stored',
  'checkpoint committed',
  // The index map and the record of its root.
  'map moved',
  'map committed',
  'map root recorded',
  'map root committed',
] as const;

export type LogStep = (typeof LOG_STEPS)[number];

/**
 * Where a process may die. The service does nothing here; a test watches, and throws, cuts the connection or ends the process.
 */
@Injectable()
export class LogSteps {
  private watcher: ((step: LogStep) => void | Promise<void>) | undefined;

  /** Calls `watcher` at each step from now on, and waits for it. */
  watch(watcher: (step: LogStep) => void | Promise<void>): void {
    this.watcher = watcher;
  }

  /** Whether steps that nobody need wait for are to be taken one by one. */
  get areWatched(): boolean {
    return this.watcher !== undefined;
  }

  reached(step: LogStep): void | Promise<void> {
    return this.watcher?.(step);
  }
}
