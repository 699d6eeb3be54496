import { expect } from 'vitest';
import type { Finished } from './harness.ts';
import { noteSeen } from './seen.ts';

/** The client ended with 0; otherwise the failure shows what it said. */
export function expectAccepted({ code, output, client }: Finished): void {
  expect(code, output).toBe(0);
  if (client !== undefined) noteSeen(client, 'accepted');
}

/** The client ended with another code than 0 and gave this reason, so that it did not stumble over something else. */
export function expectRefused({ code, output, client }: Finished, reason: string | RegExp): void {
  expect(code, output).not.toBe(0);
  expect(output).toMatch(reason);
  if (client !== undefined) noteSeen(client, 'refused');
}
