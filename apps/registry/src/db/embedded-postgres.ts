import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chown, lstat, mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { StartError } from '../start-error.ts';
import { makeStateDirectory } from '../state-directory.ts';
import { findPostgresBinaries, type PostgresBinaries } from './postgres-binaries.ts';
import { findPostmaster, isAlive } from './postmaster.ts';

const run = promisify(execFile);

export interface EmbeddedPostgres {
  /** The address node-postgres wants as `host`. There is no TCP port. */
  socketDirectory: string;
  user: string;
  database: string;
  /** Ends the server cleanly; committed data is on disk. Close every pool first. */
  stop(): Promise<void>;
}

export interface EmbeddedPostgresOptions {
  /** Holds `pg` (the data), `pg-socket` and `postgres.log`. */
  stateDirectory: string;
  /** Called once if the server goes away although nobody stopped it. Nothing can be saved then: exit and start again. */
  onLost: () => void;
  /** false for tests: faster, and gone after a power cut. */
  isDurable?: boolean;
}

const USER = 'margo';
const DATABASE = 'registry';
const OWNER_LOCK = 0x6f776e72; // "ownr"
/** Losing against another start ends a server once; leftovers of a killed one, which take a moment to die, a few times. */
const MAX_LAUNCHES = 10;

/**
 * Starts PostgreSQL on a directory of our own, or adopts the one that already runs there.
 *
 * For development and demonstration: one machine, one registry at a time, no backups. An advisory lock in the server says
 * which registry owns it. A crash at any point leaves either no data directory or a whole one.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { stateDirectory, onLost, isDurable = true } = options;
  const binaries = await findPostgresBinaries();
  const dataDirectory = join(stateDirectory, 'pg');
  await makeStateDirectory(stateDirectory);
  await refuseOtherMajor(dataDirectory, binaries.major);
  await initialise(binaries, stateDirectory, dataDirectory, isDurable);

  const server = await launchOrAdopt(binaries, stateDirectory, dataDirectory, isDurable);
  const owner = await own(server, stateDirectory);
  let isStopping = false;
  const lost = (): void => {
    if (!isStopping) onLost();
    isStopping = true;
  };
  owner.once('end', lost);
  server.child?.once('exit', lost);

  return {
    socketDirectory: server.socketDirectory,
    user: USER,
    database: DATABASE,
    stop: async () => {
      isStopping = true;
      await owner.end().catch(() => undefined);
      await endServer(server);
    },
  };
}

interface Server {
  pid: number;
  socketDirectory: string;
  /** Absent when adopted. */
  child: ChildProcess | undefined;
}

async function refuseOtherMajor(dataDirectory: string, major: string): Promise<void> {
  const found = await readFile(join(dataDirectory, 'PG_VERSION'), 'utf8').then((text) => text.trim(), ignoreMissing);
  if (found === undefined || found === major) return;
  throw new StartError(
    `${dataDirectory} was written by PostgreSQL ${found}; this release brings ${major}. ` +
      `Export the data with the release that wrote it, remove the directory, or set DATABASE_URL.`,
  );
}

/** Makes the data directory beside its place and renames it when it is whole. Of two at once, the slower one's is thrown away. */
async function initialise(
  binaries: PostgresBinaries,
  stateDirectory: string,
  dataDirectory: string,
  isDurable: boolean,
): Promise<void> {
  if ((await lstat(dataDirectory).catch(ignoreMissing)) !== undefined) return;
  const draft = await mkdtemp(join(stateDirectory, 'pg.init-'));
  await makePrivateDirectory(draft, binaries);
  const locale = ['-E', 'UTF8', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C'];
  const options = ['-D', draft, '-U', USER, '-A', 'trust', ...locale, '--data-checksums', '--no-instructions'];
  try {
    await runAs(binaries, binaries.initdb, [...options, ...(isDurable ? [] : ['--no-sync'])]);
    await rename(draft, dataDirectory);
  } catch (cause) {
    await rm(draft, { recursive: true, force: true });
    if ((await lstat(dataDirectory).catch(ignoreMissing)) !== undefined) return;
    throw new Error('The embedded database could not be initialised.', { cause });
  }
}

async function launchOrAdopt(
  binaries: PostgresBinaries,
  stateDirectory: string,
  dataDirectory: string,
  isDurable: boolean,
): Promise<Server> {
  const deadline = performance.now() + 120_000; // recovery after a crash may take long
  let child: ChildProcess | undefined;
  let launches = 0;
  while (performance.now() < deadline) {
    const found = await findPostmaster(dataDirectory);
    if (found?.isReady === true) {
      const isOurs = found.pid === child?.pid;
      if (!isOurs) await leaveTheLaunchTimeToOwn();
      return { pid: found.pid, socketDirectory: found.socketDirectory, child: isOurs ? child : undefined };
    }
    if (found === undefined && (child === undefined || child.exitCode !== null || child.signalCode !== null)) {
      if (launches === MAX_LAUNCHES) {
        throw new StartError(
          `PostgreSQL does not start. Its last words, in ${logFile(stateDirectory)}: ${await lastWords(stateDirectory)}`,
        );
      }
      if (launches > 0) await sleep(150);
      launches += 1;
      child = await launch(binaries, stateDirectory, dataDirectory, isDurable);
    }
    await sleep(10);
  }
  throw new StartError(`PostgreSQL is not ready after two minutes. See ${logFile(stateDirectory)}.`);
}

/** Were an adopter to take the lock from the process that launched the server, that one's exit would end the server. */
function leaveTheLaunchTimeToOwn(): Promise<void> {
  return sleep(300);
}

/**
 * PostgreSQL's defaults are for a quarter of a small machine of long ago. A log under load fills a gigabyte of WAL in a minute: after every
 * checkpoint whole pages are written again, and new files of WAL must be filled before anybody can commit.
 */
const SETTINGS = [
  'shared_buffers=256MB',
  'max_wal_size=2GB',
  'min_wal_size=256MB',
  'checkpoint_timeout=15min',
  'jit=off',
];

async function launch(
  binaries: PostgresBinaries,
  stateDirectory: string,
  dataDirectory: string,
  isDurable: boolean,
): Promise<ChildProcess> {
  const socketDirectory = await makeSocketDirectory(stateDirectory, binaries);
  const settings = [
    'listen_addresses=',
    `unix_socket_directories="${socketDirectory.replaceAll('"', '""')}"`,
    'unix_socket_permissions=0700',
    ...(isDurable ? SETTINGS : ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off']),
  ];
  const [program = '', ...options] = [...binaries.prefix, binaries.postgres];
  const log = await open(logFile(stateDirectory), 'a', 0o600);
  // Its own process group: Ctrl-C reaches only us, and we drain before we stop it.
  const child = spawn(program, [...options, '-D', dataDirectory, ...settings.flatMap((setting) => ['-c', setting])], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
  });
  child.on('error', () => undefined); // shows as a server that never becomes ready
  await log.close();
  return child;
}

/** In the state directory, or in a short place where the path would not fit a socket address (107 bytes). */
async function makeSocketDirectory(stateDirectory: string, binaries: PostgresBinaries): Promise<string> {
  const beside = join(stateDirectory, 'pg-socket');
  const isShort = Buffer.byteLength(join(beside, '.s.PGSQL.5432')) <= 100;
  const name = createHash('sha256').update(stateDirectory).digest('hex').slice(0, 16);
  const path = isShort ? beside : join(tmpdir(), `margo-trust-${name}`);
  await makePrivateDirectory(path, binaries);
  return path;
}

/** A directory that only PostgreSQL's user enters. One that somebody else prepared in a shared place is refused. */
async function makePrivateDirectory(path: string, { owner }: PostgresBinaries): Promise<void> {
  const wasThere = (await mkdir(path, { recursive: true, mode: 0o700 })) === undefined;
  const { uid, mode } = await lstat(path);
  const us = process.getuid?.();
  const isPrivate = (mode & 0o170077) === 0o040000 && (uid === us || uid === owner?.uid);
  if (wasThere && !isPrivate)
    throw new StartError(`${path} is not a private directory of ours. Remove it and start again.`);
  if (owner !== undefined && uid !== owner.uid) await chown(path, owner.uid, owner.gid);
}

/** Makes our database if it is new, and takes the lock that says this directory has a registry. */
async function own(server: Server, stateDirectory: string): Promise<Client> {
  const client = new Client({ host: server.socketDirectory, user: USER, database: 'postgres' });
  // The end of this connection is the end of the server: `end` tells; without this listener it would be thrown.
  client.on('error', () => undefined);
  try {
    await client.connect();
    if (!(await takeLock(client))) throw new StartError(`Another registry already runs on ${stateDirectory}.`);
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE}`);
    return client;
  } catch (error) {
    await client.end().catch(() => undefined);
    if (server.child !== undefined) await endServer(server);
    throw error;
  }
}

/** Tries for a second and a half: the backend of a killed owner needs a moment to notice. */
async function takeLock(client: Client): Promise<boolean> {
  for (let attempt = 0; attempt < 15; attempt++) {
    const { rows } = await client.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1) AS taken', [OWNER_LOCK]);
    if (rows[0]?.taken === true) return true;
    await sleep(100);
  }
  return false;
}

/** Fast shutdown: sessions are ended, a checkpoint is written. */
async function endServer({ pid, child }: Server): Promise<void> {
  if (!isAlive(pid)) return;
  process.kill(pid, 'SIGINT');
  const hasEnded = () => (child === undefined ? !isAlive(pid) : child.exitCode !== null || child.signalCode !== null);
  while (!hasEnded()) await sleep(5);
}

async function runAs(binaries: PostgresBinaries, program: string, options: string[]): Promise<void> {
  const [first = '', ...rest] = [...binaries.prefix, program, ...options];
  await run(first, rest, { cwd: '/' });
}

function logFile(stateDirectory: string): string {
  return join(stateDirectory, 'postgres.log');
}

async function lastWords(stateDirectory: string): Promise<string> {
  const text = await readFile(logFile(stateDirectory), 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-5).join('\n');
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}
