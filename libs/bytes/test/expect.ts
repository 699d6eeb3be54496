import { expect } from 'vitest';
import type { BytesFaultCode } from '../src/index.ts';

export function fault(code: BytesFaultCode) {
  return expect.objectContaining({ code });
}

/** The result, or undefined if `run` throws. */
export function plain<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
