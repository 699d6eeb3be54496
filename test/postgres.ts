/** A PostgreSQL that is not ours: on TCP, with a password, of whatever version this machine has. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { findPostgresBinaries } from '../apps/registry/src/db/postgres-binaries.ts';
import { freePort } from './service.ts';

export interface OutsidePostgres {
  /** For DATABASE_URL; the user may create whatever the service needs, in this database. */
  url: string;
  /** `15.14`, say. */
  version: string;
  stop(): Promise<void>;
}

const DEBIAN = '/usr/lib/postgresql';

/** Debian's, oldest of those that will do; else the binaries of the embedded one. */
export async function startOutsidePostgres(): Promise<OutsidePostgres> {
  const { initdb, postgres, prefix, owner } = await findBinaries();
  const directory = mkdtempSync(join(tmpdir(), 'margo-outside-'));
  const [data, passwordFile] = [join(directory, 'data'), join(directory, 'password')];
  writeFileSync(passwordFile, 'not a secret\n');
  if (owner !== undefined) for (const path of [directory, passwordFile]) chownSync(path, owner.uid, owner.gid);
  const [program = '', ...options] = [...prefix, initdb];
  const cluster = ['-D', data, '-U', 'operator', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`, '-N', '-E', 'UTF8'];
  execFileSync(program, [...options, ...cluster, '--locale=C'], { cwd: '/' });

  const port = await freePort();
  const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${directory}`, 'fsync=off'];
  const [first = '', ...rest] = [...prefix, postgres, '-D', data, '-p', String(port)];
  const server = spawn(first, [...rest, ...settings.flatMap((s) => ['-c', s])], { cwd: '/', stdio: 'ignore' });
  const url = (database: string) => `postgres://operator:not%20a%20secret@127.0.0.1:${port}/${database}`;
  const admin = await connect(url('postgres'));
  await admin.query('CREATE DATABASE margo');
  const { rows } = await admin.query<{ server_version: string }>('SHOW server_version');
  await admin.end();
  return {
    url: url('margo'),
    version: rows[0]?.server_version ?? '',
    stop: async () => {
      server.kill('SIGINT');
      if (server.exitCode === null) await once(server, 'exit');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function findBinaries() {
  const embedded = await findPostgresBinaries();
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).map(Number) : [];
  const oldest = versions.filter((version) => version >= 15).sort((a, b) => a - b)[0];
  if (oldest === undefined) return embedded;
  const program = (name: string) => join(DEBIAN, String(oldest), 'bin', name);
  return { ...embedded, initdb: program('initdb'), postgres: program('postgres') };
}

async function connect(url: string): Promise<Client> {
  for (let attempt = 0; ; attempt += 1) {
    const client = new Client({ connectionString: url });
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (attempt === 100) throw error;
      await sleep(50);
    }
  }
}
