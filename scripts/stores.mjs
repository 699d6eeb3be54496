/**
 * `MARGO_TEST_DATABASE_URL=postgres://superuser@host/postgres npm run stores`: the tests of everything that speaks SQL, on a PostgreSQL 15 or
 * newer of yours instead of the embedded one. They make databases of their own there, and drop them. Arguments go to Vitest;
 * by default the stores, `npm run stores -- http` takes the services over HTTP too.
 */
import { prepare } from './prepare.mjs';
import { runSteps, vitest } from './steps.mjs';

if (!process.env['MARGO_TEST_DATABASE_URL']) {
  console.error(
    'Set MARGO_TEST_DATABASE_URL to a superuser of the server, such as postgres://me:secret@127.0.0.1/postgres.',
  );
  process.exit(2);
}
await prepare();
const filters = process.argv.length > 2 ? process.argv.slice(2) : ['.store.'];
if (!(await runSteps([['stores on an outside PostgreSQL', vitest('database', ...filters)]]))) process.exit(1);
