import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CliFault } from '../fault.ts';
import type { Session } from '../session.ts';

/** What a program of the registry found out about its database: a hash over all of its logs, and each by itself, oldest first. */
export interface RegistryState {
  readonly stateHash: string;
  readonly logs: readonly { readonly origin: string; readonly size: string; readonly stateHash: string }[];
}

/**
 * Runs the registry's maintenance program on the database that the environment names. Only the registry knows its tables,
 * so this works where it is installed beside the command line.
 */
export async function runMaintenance(session: Session, what: string, args: readonly string[]): Promise<RegistryState> {
  const { printer, io } = session;
  const child = spawn(process.execPath, [findProgram(), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...io.env },
  });
  const said: string[] = [];
  createInterface(child.stderr).on('line', (line) => {
    const [, done, of] = /^(\d+) (\d+)$/.exec(line) ?? [];
    if (done !== undefined && of !== undefined) printer.bar(what, BigInt(done), BigInt(of));
    else said.push(line);
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code === 0) return JSON.parse(output) as RegistryState;
  const advice = 'The database is that of DATABASE_URL, or the embedded one in DATA_DIR; no service may run on it.';
  throw new CliFault('cli/maintenance-failed', said.join(' ') || `It ended with ${code ?? 'a signal'}.`, advice);
}

/** Beside the bundled command line, or beside its sources. */
function findProgram(): string {
  const program = ['../..', '../../..']
    .map((up) => join(import.meta.dirname, up, 'registry/dist/main-maintenance.js'))
    .find((path) => existsSync(path));
  if (program !== undefined) return program;
  const message = 'The registry is not installed beside this command line, and only it can work on its database.';
  throw new CliFault('cli/no-such-file', message, 'Run this where the registry is installed.');
}
