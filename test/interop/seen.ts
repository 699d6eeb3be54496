/** What is seen of a client while a test runs. It goes with the test to `client-matrix.mjs`, which makes a page of it. */
import { TestRunner } from 'vitest';

export type Verdict = 'accepted' | 'refused' | 'ran';

declare module 'vitest' {
  interface TaskMeta {
    /** Verdicts by client. */
    seen?: Record<string, Verdict[]>;
  }
}

/** Around what is tested, never tested itself. */
const INSTRUMENTS: readonly string[] = ['faketime', 'strace', 'unshare', 'softhsm2-util', 'pkcs11-tool'];

/** Outside a test, as in its preparation, nothing is noted. */
export function noteSeen(client: string, verdict: Verdict = 'ran'): void {
  const test = TestRunner.getCurrentTest();
  if (!test) return;
  const seen = (test.meta.seen ??= {});
  seen[client] = [...new Set([...(seen[client] ?? []), verdict])];
}

/** The client in a command line: the program itself, or what an instrument or interpreter starts. */
export function findClient(command: readonly string[]): string | undefined {
  const programs = Object.entries(JSON.parse(process.env.MARGO_CLIENTS ?? '{}') as Record<string, string>);
  for (const part of command) {
    const name = programs.find(([, program]) => program === part)?.[0];
    if (name !== undefined && !INSTRUMENTS.includes(name)) return name;
  }
  return undefined;
}
