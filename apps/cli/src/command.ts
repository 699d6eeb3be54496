import type { Outcome } from './outcome.ts';
import type { Session } from './session.ts';

/**
 * Makes a commander action of a piece of work. Commander hands over the arguments, the options and the command itself;
 * the work gets the session before them and answers with what is to be printed.
 */
export type Run = <Args extends unknown[]>(
  work: (session: Session, ...args: Args) => Promise<Outcome>,
) => (...args: Args) => Promise<void>;

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
