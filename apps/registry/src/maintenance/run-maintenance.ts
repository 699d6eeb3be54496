import { parseArgs } from 'node:util';
import { Fault } from '@margo-trust/fault';
import { parseVerifierKey } from '@margo-trust/tlog';
import { ConfigError, readConfig } from '../config.ts';
import { Db } from '../db/db.ts';
import { openDatabase } from '../db/data-source.ts';
import { findDatabase } from '../db/find-database.ts';
import { StartError } from '../start-error.ts';
import { rebuildLogs } from './rebuild-logs.ts';
import { hashLogState, type RegistryState } from './state-hash.ts';

const USAGE = `Usage:
  main-maintenance.js rebuild --mirror DIRECTORY --log-key VKEY
  main-maintenance.js state-hash
The database is that of the environment: DATABASE_URL, or the embedded one in DATA_DIR. No service may run on it.
`;

/**
 * Work on the database of a registry that does not run. Prints one line of JSON, progress as lines \`<done> <of>\` on
 * standard error, and returns the exit code: 0, 1 when it failed, 2 for a wrong command line.
 */
export async function runMaintenance(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const options = { mirror: { type: 'string' }, 'log-key': { type: 'string' } } as const;
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch {
    return usage();
  }
  const { positionals, values } = parsed;
  const [command] = positionals;
  const { mirror, 'log-key': logKey } = values;
  if (positionals.length !== 1) return usage();
  if (command === 'state-hash') return work(env, async (db) => await hashLogState(db));
  if (command !== 'rebuild' || mirror === undefined || logKey === undefined) return usage();
  return work(env, async (db) => {
    let told = 0;
    await rebuildLogs(db, mirror, parseVerifierKey(logKey), (done, of) => {
      const now = performance.now();
      if (now - told < 200 && done < of) return;
      told = now;
      process.stderr.write(`${done} ${of}\n`);
    });
    return hashLogState(db);
  });
}

async function work(env: NodeJS.ProcessEnv, task: (db: Db) => Promise<RegistryState>): Promise<number> {
  const closers: (() => Promise<unknown> | void)[] = [];
  try {
    const db = await openDb(env, closers);
    const { stateHash, logs } = await task(db);
    const shown = logs.map(({ size, ...log }) => ({ ...log, size: size.toString() }));
    process.stdout.write(`${JSON.stringify({ stateHash, logs: shown })}\n`);
    return 0;
  } catch (error) {
    const isExpected = error instanceof StartError || error instanceof ConfigError || error instanceof Fault;
    process.stderr.write(`${isExpected ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
    return 1;
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

async function openDb(env: NodeJS.ProcessEnv, closers: (() => Promise<unknown> | void)[]): Promise<Db> {
  const { config, secrets } = readConfig(env);
  const onLost = (why: string): never => {
    throw new StartError(why);
  };
  const source = await openDatabase(await findDatabase(config, secrets, closers, onLost));
  closers.push(() => source.destroy());
  return new Db(source);
}

function usage(): number {
  process.stderr.write(USAGE);
  return 2;
}
