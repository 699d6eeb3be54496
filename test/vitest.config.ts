import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/**
 * Reads every workspace package from its sources. The condition must be set for each environment: `resolve.conditions`
 * alone reaches only the browser, and `import` or `default` in the list makes CommonJS packages load their ESM twins.
 */
const sources = {
  name: 'sources',
  configEnvironment: () => ({ resolve: { conditions: ['source', 'module', 'node'] } }),
};

const project = (name: string, include: string[], extra: object = {}) => ({
  extends: true as const,
  plugins: [sources],
  test: { name, include, ...extra },
});

/** `MARGO_REPORT_DIR`: every run leaves its counts there, one JSON file each, for `.ci/run` to add up. */
const reports = process.env['MARGO_REPORT_DIR'];

export default defineConfig({
  test: {
    reporters: reports ? ['default', ['json', { outputFile: join(reports, `${process.pid}.json`) }]] : ['default'],
    pool: 'forks',
    setupFiles: ['test/setup.ts'],
    // Machines of CI are shared and slow: a test may fail once there, and `.ci/count.mjs` names the ones that did.
    retry: reports ? 1 : 0,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      project('unit', [
        'libs/*/test/**/*.test.ts',
        'apps/*/src/**/!(*.http|*.store).test.ts',
        'test/unit/**/*.test.ts',
      ]),
      project('database', ['apps/*/src/**/*.{http,store}.test.ts'], { globalSetup: ['test/global-setup.ts'] }),
      // Two files at a time, since each waits most of its time, and each has its own directories, ports and servers.
      project('e2e', ['test/e2e/**/*.test.ts'], { testTimeout: 300_000, hookTimeout: 300_000, maxWorkers: 2 }),
      project('browser', ['test/browser/**/*.test.ts'], { testTimeout: 120_000, hookTimeout: 120_000 }),
      project('interop', ['test/interop/**/*.test.ts'], {
        testTimeout: 120_000,
        hookTimeout: 300_000,
        fileParallelism: false,
      }),
    ],
  },
});
