/** `npm run check`: format, types, lint, dependency rules, unit tests. */
import { isProgram, prepare } from './prepare.mjs';
import { runSteps, tool, vitest } from './steps.mjs';

export const checks = [
  ['format', tool('prettier/bin/prettier.cjs', '--check', '--log-level', 'warn', '.')],
  ['types', tool('typescript/bin/tsc', '-b')],
  ['lint', tool('eslint/bin/eslint.js', '--max-warnings', '0', '.')],
  [
    'dependency rules',
    tool(
      'dependency-cruiser/bin/dependency-cruise.mjs',
      '--config',
      '.dependency-cruiser.cjs',
      'apps',
      'libs',
      'migrations',
    ),
  ],
  ['unit tests', vitest('unit', '--maxWorkers=100%')],
];

if (isProgram(import.meta.filename)) {
  await prepare();
  if (!(await runSteps(checks))) process.exit(1);
}
