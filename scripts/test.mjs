/** `npm test`: everything `npm run check` does, then PostgreSQL and HTTP, whole stories, and the browser. */
import { checks } from './check.mjs';
import { prepare } from './prepare.mjs';
import { runSteps, vitest } from './steps.mjs';

await prepare();
const passed = await runSteps([
  ...checks,
  ['database and HTTP', vitest('database')],
  ['end to end', vitest('e2e', '--passWithNoTests')],
  ['browser', vitest('browser', '--passWithNoTests')],
]);
if (!passed) process.exit(1);
