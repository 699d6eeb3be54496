/**
 * The evidence bundle on a machine that has no network, no home and no idea what day it is. strace counts the system calls.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoOf, type Demo } from './demo.ts';
import { expectAccepted } from './expect.ts';
import { client, run, startService, temporaryDirectory, type Finished } from './harness.ts';

let demo: Demo;
let scratch: string;
let stop: () => Promise<void>;

beforeAll(async () => {
  scratch = await temporaryDirectory();
  const service = await startService();
  stop = () => service.stop();
  demo = demoOf(service);
});

afterAll(async () => {
  await stop?.();
  await rm(scratch, { recursive: true, force: true });
});

describe('margo-trust bundle verify, offline in 1970', () => {
  it('accepts the bundle of the story', async () => {
    expectAccepted(await isolated(['npx', '--no', 'margo-trust', ...verify(demo.bundle)]));
  });

  it('makes no network system call', async () => {
    const trace = join(scratch, 'trace');
    const finished = await isolated([
      ...[client('strace'), '--follow-forks', '--trace=%network', '--quiet=all', '--signal=none', '--output', trace],
      // What npx starts: npm itself looks at the network's interfaces. Nor into a pipe: the pipes of this test are sockets,
      // which Node asks for their names.
      ...['sh', '-c', 'exec "$0" "$@" >/dev/null 2>&1', 'node_modules/.bin/margo-trust', ...verify(demo.bundle)],
    ]);
    expectAccepted(finished);
    expect(await readFile(trace, 'utf8')).toBe('');
  });

  it('refuses a bundle whose release has one flipped bit in its signature', async () => {
    const bundle = JSON.parse(await readFile(demo.bundle, 'utf8')) as { release: string };
    const bytes = Buffer.from(bundle.release, 'base64');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const spoiled = join(scratch, 'spoiled.bundle');
    await writeFile(spoiled, JSON.stringify({ ...bundle, release: bytes.toString('base64') }));

    const refused = await isolated(['npx', '--no', '--', 'margo-trust', '--json', ...verify(spoiled)]);
    expect(refused.code).toBe(12);
    expect(refused.output).toMatch(/"code":\s*"[a-z0-9]+\/[a-z0-9-]+"/);
  });
});

function verify(bundle: string): string[] {
  return ['bundle', 'verify', bundle, '--root', demo.root];
}

/** In an empty network namespace, without HOME, at the beginning of time. Without root, as root of a user namespace. */
async function isolated(command: string[]): Promise<Finished> {
  const namespaces = process.getuid?.() === 0 ? ['--net'] : ['--net', '--map-root-user'];
  return run(client('unshare'), [
    ...[...namespaces, 'env', '--unset=HOME', client('faketime'), '-f', '@1970-01-01 00:00:00', ...command],
  ]);
}
