/** What can be killed: PostgreSQL as an operator would run it, the service and the worker, each a process of its own. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

const root = join(import.meta.dirname, '../..');

/** A cluster with fsync on, from the binaries that the embedded database has. */
export class Postgres {
  static async create() {
    const { findPostgresBinaries } = await import('../../apps/registry/dist/db/postgres-binaries.js');
    const binaries = await findPostgresBinaries();
    const directory = mkdtempSync(join(tmpdir(), 'margo-chaos-pg-'));
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, 'not a secret\n');
    const { owner } = binaries;
    if (owner) for (const path of [directory, passwordFile]) chownSync(path, owner.uid, owner.gid);
    const postgres = new Postgres(binaries, directory, await freePort());
    const cluster = ['-D', postgres.data, '-U', 'operator', '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
    const [program, ...options] = [...binaries.prefix, binaries.initdb, ...cluster, '-E', 'UTF8', '--locale=C'];
    execFileSync(program, options, { cwd: '/' });
    await postgres.start();
    await postgres.query('CREATE DATABASE margo', 'postgres');
    return postgres;
  }

  constructor(binaries, directory, port) {
    Object.assign(this, { binaries, directory, port, data: join(directory, 'data') });
  }

  url(database = 'margo') {
    return `postgres://operator:not%20a%20secret@127.0.0.1:${this.port}/${database}`;
  }

  /** Tried again for as long as processes of a killed postmaster hold its memory. */
  async start() {
    const { prefix, postgres } = this.binaries;
    const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${this.directory}`, 'max_connections=200'];
    const options = ['-D', this.data, '-p', String(this.port), ...settings.flatMap((setting) => ['-c', setting])];
    for (let attempt = 0; attempt < 300; attempt += 1) {
      if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) {
        const [program, ...rest] = [...prefix, postgres, ...options];
        this.child = spawn(program, rest, { cwd: '/', stdio: 'ignore' });
      }
      if (await this.query('SELECT 1', 'postgres').then(Boolean, () => false)) return;
      await sleep(100);
    }
    throw new Error('PostgreSQL does not come back.');
  }

  async query(sql, database = 'margo') {
    const client = new pg.Client({ connectionString: this.url(database), connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** The process of one of the registry's connections, one that is at work if there is one. */
  async findBackend(random) {
    const rows = await this.query(
      `SELECT pid FROM pg_stat_activity WHERE datname = 'margo' AND application_name = 'margo-trust-registry'
       ORDER BY state = 'idle', pid`,
    );
    return rows[Math.floor(random() * Math.min(rows.length, 4))]?.pid;
  }

  async kill() {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  async stop() {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) {
      const ended = once(this.child, 'exit');
      this.child.kill('SIGINT');
      await ended;
    }
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** The registry: `main.js` or `main-worker.js`, or the start script that plays the story. */
export class Program {
  constructor(script, env) {
    Object.assign(this, { script, env });
  }

  async start() {
    this.child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, join(root, this.script)], {
      cwd: root,
      env: { PATH: process.env.PATH, HOME: process.env.HOME, LOG_LEVEL: 'fatal', ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    this.child.stderr.setEncoding('utf8').on('data', (text) => (output = (output + text).slice(-4_000)));
    await new Promise((resolve, reject) => {
      this.child.once('close', (code) => reject(new Error(`${this.script} ended with ${code}:\n${output}`)));
      createInterface(this.child.stdout).on('line', (line) => line.startsWith('ready ') && resolve());
    });
  }

  get isRunning() {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  async end(signal) {
    if (!this.isRunning) return;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
  }
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
