import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What a service has used of the processors so far, in seconds: its main thread, its other threads (thread pool, garbage
 * collection, workers), and the PostgreSQL that it started in `dataDir`, if any. Unlike a rate it hardly depends on what else
 * the machine does. Linux counts in hundredths of a second.
 */
export function readCpu({ pid, dataDir }) {
  const main = own(`/proc/${pid}/task/${pid}`);
  return { main, others: own(`/proc/${pid}`) - main, postgres: dataDir === undefined ? 0 : ofPostgres(dataDir) };
}

/**
 * What one of `count` requests took between two readings, and the client of it, in microseconds. `clientCpu` is the client's
 * share of a core.
 */
export function cpuPerRequest(before, after, { count, perSecond, clientCpu }) {
  const each = (name) => ((after[name] - before[name]) * 1e6) / count;
  const parts = {
    main: each('main'),
    others: each('others'),
    postgres: each('postgres'),
    client: (clientCpu * 1e6) / perSecond,
  };
  return { ...parts, all: sum(Object.values(parts)) };
}

/** Of the server and all that it started, those included that have ended. */
function ofPostgres(dataDir) {
  const file = join(dataDir, 'pg/postmaster.pid');
  if (!existsSync(file)) return 0;
  const postmaster = readFileSync(file, 'utf8').split('\n', 1)[0];
  const living = readdirSync('/proc').filter(
    (name) => /^\d+$/.test(name) && statOf(`/proc/${name}`)?.[1] === postmaster,
  );
  return own(`/proc/${postmaster}`) + ended(`/proc/${postmaster}`) + sum(living.map((name) => own(`/proc/${name}`)));
}

const own = (path) => ticks(path, 11, 12) / 100;
const ended = (path) => ticks(path, 13, 14) / 100;

function ticks(path, user, system) {
  const fields = statOf(path);
  return fields === undefined ? 0 : Number(fields[user]) + Number(fields[system]);
}

/** The fields of /proc/PID/stat from the state on, since the name before it may hold anything; nothing of what has ended. */
function statOf(path) {
  try {
    return readFileSync(`${path}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
  } catch {
    return undefined;
  }
}

const sum = (values) => values.reduce((total, value) => total + value, 0);
