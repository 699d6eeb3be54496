import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** The compiled registry, started as a newcomer starts it. What is asserted here, Vitest's own loader cannot show. */
describe('npm start -- --empty', () => {
  const running: Start[] = [];
  const directories: string[] = [];
  afterEach(async () => {
    for (const start of running.splice(0)) {
      start.child.kill('SIGKILL');
      await start.exit;
    }
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });

  interface Start {
    child: ChildProcess;
    /** Standard output and error so far. */
    output: () => string;
    stdout: () => string;
    exit: Promise<number | null>;
    ready: Promise<string>;
  }

  function newDirectory(): string {
    const parent = mkdtempSync(join(tmpdir(), 'margo-start-'));
    directories.push(parent);
    return join(parent, `it's data`);
  }

  function start(env: NodeJS.ProcessEnv, program: string[] = ['scripts/start.mjs', '--empty']): Start {
    const child = spawn(process.execPath, program, {
      cwd: root,
      env: { PATH: process.env['PATH'], PORT: '0', ...env },
    });
    let [stdout, stderr] = ['', ''];
    const exit = new Promise<number | null>((resolve) => child.on('close', (code) => resolve(code)));
    const ready = new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (data: Buffer) => {
        stdout += data.toString();
        const url = /^ready (http\S+)$/m.exec(stdout)?.[1];
        if (url !== undefined) resolve(url);
      });
      void exit.then(() => reject(new Error(`ended before it was ready: ${stdout}${stderr}`)));
    });
    ready.catch(() => undefined);
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const started = { child, output: () => stdout + stderr, stdout: () => stdout, exit, ready };
    running.push(started);
    return started;
  }

  /** What comes before it may be a build. */
  function lastLine(start: Start): string | undefined {
    return start.output().trim().split('\n').at(-1);
  }

  function postgresBelow(directory: string): number[] {
    return readdirSync('/proc')
      .filter((pid) => /^\d+$/.test(pid))
      .map(Number)
      .filter((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(join(directory, 'pg'));
        } catch {
          return false;
        }
      });
  }

  it('ends with one screen and the address, and a signal ends everything it started', async () => {
    const DATA_DIR = newDirectory();
    const first = start({ DATA_DIR });
    const url = await first.ready;
    expect((await fetch(`${url}/readyz`)).status).toBe(200);
    expect(first.stdout().trimEnd().split('\n').at(-1)).toBe(`ready ${url}`);
    expect(first.stdout()).toContain(DATA_DIR);
    expect(first.output(), 'nothing to worry a newcomer').not.toMatch(/warn|error/i);

    first.child.kill('SIGTERM');
    expect(await first.exit).toBe(0);
    expect(postgresBelow(DATA_DIR)).toEqual([]);

    const second = start({ DATA_DIR });
    await second.ready;
    second.child.kill('SIGINT');
    expect(await second.exit).toBe(0);
  });

  it('starts without HOME and survives kill -9 of everything', async () => {
    const DATA_DIR = newDirectory();
    const first = start({ DATA_DIR, HOME: undefined });
    const url = await first.ready;
    const keys = await (await fetch(`${url}/.well-known/scitt-keys`)).arrayBuffer();
    for (const pid of postgresBelow(DATA_DIR)) process.kill(pid, 'SIGKILL');
    first.child.kill('SIGKILL');
    await first.exit;

    const second = start({ DATA_DIR });
    const again = await (await fetch(`${await second.ready}/.well-known/scitt-keys`)).arrayBuffer();
    expect(Buffer.from(again).equals(Buffer.from(keys)), 'the same keys as before').toBe(true);
  });

  it('ends, saying so, when its database dies', async () => {
    const DATA_DIR = newDirectory();
    const registry = start({ DATA_DIR });
    await registry.ready;
    process.kill(Number(readFileSync(join(DATA_DIR, 'pg/postmaster.pid'), 'utf8').split('\n')[0]), 'SIGKILL');
    expect(await registry.exit).toBe(1);
    expect(registry.output()).toContain('The embedded database has died.');
  });

  it('names the way out when the port is taken, and starts nothing', async () => {
    const DATA_DIR = newDirectory();
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as AddressInfo;
    const registry = start({ DATA_DIR, PORT: String(port) });
    expect(await registry.exit).toBe(1);
    holder.close();
    expect(lastLine(registry)).toBe(
      `Port ${port} is taken. Stop who has it, or choose another one: PORT=${port + 1} npm start`,
    );
    expect(existsSync(join(DATA_DIR, 'pg'))).toBe(false);
  });

  it('refuses a data directory that another registry uses, in one sentence', async () => {
    const DATA_DIR = newDirectory();
    const first = start({ DATA_DIR });
    const url = await first.ready;
    const second = start({ DATA_DIR });
    expect(await second.exit).toBe(1);
    expect(lastLine(second)).toBe(`Another registry already runs on ${DATA_DIR}.`);
    expect((await fetch(`${url}/readyz`)).status, 'the first goes on').toBe(200);
  });

  it('refuses production with anything embedded, in sentences', async () => {
    const registry = start({ DATA_DIR: newDirectory(), MODE: 'production', PUBLIC_URL: 'https://registry.example' });
    expect(await registry.exit).toBe(1);
    expect(registry.output()).toMatch(/Refusing to start in production\..*DATABASE_URL.*OIDC_ISSUER/s);
    expect(registry.output()).not.toContain('    at ');
  });

  it('refuses options it does not know', async () => {
    const registry = start({}, ['scripts/start.mjs', '--emtpy']);
    expect(await registry.exit).toBe(1);
    expect(lastLine(registry)).toBe('npm start does not know --emtpy. It knows: npm start -- --empty');
  });

  it('serves from a database outside', async () => {
    const owner = start({ DATA_DIR: newDirectory() });
    await owner.ready;
    const socket = join(directories[0] ?? '', `it's data`, 'pg-socket');
    const DATABASE_URL = `postgres://margo@/postgres?host=${encodeURIComponent(socket)}`;
    const DATA_DIR = newDirectory();
    const registry = start({ DATA_DIR, DATABASE_URL });
    expect((await fetch(`${await registry.ready}/readyz`)).status).toBe(200);
    expect(existsSync(join(DATA_DIR, 'pg'))).toBe(false);
    registry.child.kill('SIGTERM');
    expect(await registry.exit).toBe(0);
  });
});
