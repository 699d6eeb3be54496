/** A PostgreSQL that is not ours: on TCP, with a password, of whatever version this machine has. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { findPostgresBinaries } from '../apps/registry/src/db/postgres-binaries.ts';
import { freePort } from './service.ts';

export interface OutsidePostgres {
  /** For DATABASE_URL; the user may create whatever the service needs, in this database, and is a superuser. */
  url: string;
  /** `15.14`, say. */
  version: string;
  /** The postmaster. */
  readonly child: ChildProcess;
  /** Where its data lie. */
  readonly data: string;
  /** Ends the server, fast or by SIGKILL, and keeps its data. */
  halt(signal?: 'SIGINT' | 'SIGKILL'): Promise<void>;
  /** Gives data that were put in place by hand to the server's user, while it is halted. */
  adopt(): void;
  /** Starts it again on the same port, with more settings if any are given. */
  resume(settings?: readonly string[]): Promise<void>;
  /** A standby of this server that follows it as `application_name=name`. Both are running afterwards. */
  follow(name: string): Promise<OutsidePostgres>;
  /** Ends it and removes the data. */
  stop(): Promise<void>;
}

export interface OutsideOptions {
  /** Debian's oldest that will do, or the binaries of the embedded one. Without it: Debian's if there is one. */
  readonly from?: 'debian' | 'embedded';
  readonly settings?: readonly string[];
  /** An existing directory to put its data below; the system's temporary one otherwise. */
  readonly place?: string;
}

/** Against hanging only: one that recovers on a busy machine takes its time. */
const STARTS_WITHIN_MS = 120_000;
const DEBIAN = '/usr/lib/postgresql';

/** The major version of Debian's server that {@link startOutsidePostgres} would take, if there is one. */
export function findDebianPostgres(): number | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).map(Number) : [];
  return versions
    .filter((version) => version >= 15 && existsSync(join(DEBIAN, String(version), 'bin/postgres')))
    .sort((a, b) => a - b)[0];
}

/** Debian's, oldest of those that will do; else the binaries of the embedded one. */
export async function startOutsidePostgres(options: OutsideOptions = {}): Promise<OutsidePostgres> {
  const binaries = await findBinaries(options.from);
  const { initdb, prefix, owner } = binaries;
  const directory = mkdtempSync(join(options.place ?? tmpdir(), 'margo-outside-'));
  const [data, passwordFile] = [join(directory, 'data'), join(directory, 'password')];
  writeFileSync(passwordFile, 'not a secret\n');
  if (owner !== undefined) for (const path of [directory, passwordFile]) chownSync(path, owner.uid, owner.gid);
  const [program = '', ...before] = [...prefix, initdb];
  const cluster = ['-D', data, '-U', 'operator', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-N', '-E', 'UTF8'];
  execFileSync(program, [...before, ...cluster, '--locale=C'], { cwd: '/' });

  const server = await startServer(binaries, directory, data, options.settings ?? []);
  const admin = await connect(server.urlOf('postgres'));
  await admin.query('CREATE DATABASE margo');
  await admin.end();
  return server;
}

type Binaries = Awaited<ReturnType<typeof findBinaries>>;

async function startServer(
  binaries: Binaries,
  directory: string,
  data: string,
  settings: readonly string[],
): Promise<OutsidePostgres & { urlOf(database: string): string }> {
  const port = await freePort();
  const urlOf = (database: string) => `postgres://operator:not%20a%20secret@127.0.0.1:${port}/${database}`;
  const launch = (more: readonly string[]) => {
    const all = [
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${directory}`,
      'fsync=off',
      ...settings,
      ...more,
    ];
    const [first = '', ...rest] = [...binaries.prefix, binaries.postgres, '-D', data, '-p', String(port)];
    return spawn(first, [...rest, ...all.flatMap((setting) => ['-c', setting])], { cwd: '/', stdio: 'ignore' });
  };
  let child: ChildProcess;
  /** Launched again for as long as processes of a killed postmaster hold its memory, and the new one ends at once. */
  const start = async (more: readonly string[] = []) => {
    child = launch(more);
    const client = await connect(urlOf('postgres'), () => {
      if (hasEnded(child)) child = launch(more);
    });
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    await client.end();
    return rows[0]?.server_version ?? '';
  };
  const halt = async (signal: 'SIGINT' | 'SIGKILL' = 'SIGINT') => {
    if (hasEnded(child)) return;
    child.kill(signal);
    await once(child, 'exit');
  };
  const resume = async (more: readonly string[] = []) => void (await start(more));
  const version = await start();
  return {
    url: urlOf('margo'),
    urlOf,
    version,
    data,
    get child() {
      return child;
    },
    halt,
    adopt: () => binaries.owner && giveTo(binaries.owner, directory),
    resume,
    follow: async (name) => {
      const place = mkdtempSync(join(tmpdir(), 'margo-outside-'));
      const copy = join(place, 'data');
      await halt();
      cpSync(data, copy, { recursive: true });
      writeFileSync(join(copy, 'standby.signal'), '');
      const where = `host=127.0.0.1 port=${port} user=operator password=''not a secret'' application_name=${name}`;
      appendFileSync(join(copy, 'postgresql.conf'), `\nprimary_conninfo = '${where}'\n`);
      if (binaries.owner !== undefined) giveTo(binaries.owner, place);
      await resume();
      return startServer(binaries, place, copy, settings);
    },
    stop: async () => {
      await halt();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function giveTo({ uid, gid }: { uid: number; gid: number }, directory: string): void {
  execFileSync('chown', ['-R', `${uid}:${gid}`, directory]);
  execFileSync('chmod', ['-R', 'u=rwX,go=', directory]);
}

async function findBinaries(from?: 'debian' | 'embedded') {
  const embedded = await findPostgresBinaries();
  const oldest = from === 'embedded' ? undefined : findDebianPostgres();
  if (oldest === undefined) {
    if (from === 'debian') throw new Error('There is no PostgreSQL 15 or newer of Debian here.');
    return embedded;
  }
  const program = (name: string) => join(DEBIAN, String(oldest), 'bin', name);
  return { ...embedded, initdb: program('initdb'), postgres: program('postgres') };
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** Tried until the server takes connections; `beforeAgain` is called before each further try. */
async function connect(url: string, beforeAgain: () => void = () => undefined): Promise<Client> {
  const deadline = performance.now() + STARTS_WITHIN_MS;
  for (;;) {
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(50);
      beforeAgain();
    }
  }
}
