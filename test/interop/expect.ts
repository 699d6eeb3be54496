import { expect } from 'vitest';
import type { Finished } from './harness.ts';

/** The client ended with 0; otherwise the failure shows what it said. */
export function expectAccepted({ code, output }: Finished): void {
  expect(code, output).toBe(0);
}

/** The client ended with another code than 0 and gave this reason, so that it did not stumble over something else. */
export function expectRefused({ code, output }: Finished, reason: string | RegExp): void {
  expect(code, output).not.toBe(0);
  expect(output).toMatch(reason);
}
