import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const here = import.meta.dirname;
const program = join(here, '../../.cache/bench/tessera-peer');

/**
 * Builds the peer from its pinned modules, unless it is there; returns why it cannot be had, or nothing. It is for
 * comparison only, so a machine without Go just does without.
 */
export function preparePeer() {
  try {
    mkdirSync(join(program, '..'), { recursive: true });
    execFileSync('go', ['build', '-C', join(here, 'tessera-peer'), '-trimpath', '-o', program, '.'], {
      env: { ...process.env, GOWORK: 'off' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return undefined;
  } catch (error) {
    return error.code === 'ENOENT' ? 'no peer to compare with: go is not installed' : 'the peer does not build';
  }
}

/** Runs `work` against Tessera on a directory of its own. */
export async function withPeer(work) {
  const directory = mkdtempSync(join(tmpdir(), 'margo-peer-'));
  const child = spawn(program, [directory], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    const url = await new Promise((resolve, reject) => {
      child.on('exit', (code) => reject(new Error(`The peer ended with ${code} before it was ready.`)));
      createInterface(child.stdout).on('line', (line) => line.startsWith('ready ') && resolve(line.slice(6)));
    });
    return await work({ url: `${url}/add`, pid: child.pid });
  } finally {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
}
