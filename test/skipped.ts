/** Why a test does not run here, for the end of a CI log: `.ci/count.mjs` prints it beside the test's name. */
declare module 'vitest' {
  interface TaskMeta {
    skippedBecause?: string;
  }
}

/** The options of a test or suite that `skipIf` may skip: `it.skipIf(…)('name', because('…'), …)`. */
export function because(reason: string): { meta: { skippedBecause: string } } {
  return { meta: { skippedBecause: reason } };
}
