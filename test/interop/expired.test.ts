/**
 * Stock `notation verify` when the signing certificate has expired: the registry ran 410 days ago and signed, and runs again today on
 * the same data. notation itself has today's clock, as a Go program takes no other.
 */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crlUrlOf, demoOf, fetchBytes, loadChain, type Demo } from './demo.ts';
import { expectAccepted, expectRefused } from './expect.ts';
import {
  client,
  freePort,
  must,
  repository,
  run,
  startService,
  temporaryDirectory,
  waitUntil,
  type Finished,
  type Service,
} from './harness.ts';
import { loadSigned, removeTimestamps } from './layout.ts';
import { parseCrl } from '@margo-trust/x509';

const DAYS = 410;

let service: Service | undefined;
let demo: Demo;
let scratch: string;
let bare: string;

beforeAll(async () => {
  scratch = await temporaryDirectory();
  const place = { dataDir: join(scratch, 'data'), port: await freePort() };
  const past = await startService({ ...place, env: await clockAgo(DAYS) });
  demo = demoOf(past);
  await past.stop();
  service = await startService({ ...place, story: false });
  const [leaf] = await loadChain(demo);
  if (leaf === undefined) throw new Error('The demo has no certificate.');
  expect(new Date(leaf.validTo) < new Date(), 'expired').toBe(true);
  const { address } = service;
  for (const url of [crlUrlOf(leaf), `${address}/crl/root/0.crl`]) {
    await waitUntil(`${url} is of today`, async () => {
      const { nextUpdate } = parseCrl(new Uint8Array(await fetchBytes(url)), { maxBytes: 1 << 20 });
      return nextUpdate !== undefined && nextUpdate > new Date();
    });
  }
  bare = join(scratch, 'bare.oci');
  await cp(demo.layout, bare, { recursive: true });
  await removeTimestamps(bare);
});

afterAll(async () => {
  await service?.stop();
  await rm(scratch, { recursive: true, force: true });
});

describe('when the certificate has expired', () => {
  it('notation accepts what carries a time-stamp from before', async () => {
    for (const digest of await loadSigned(demo.layout, 'package')) expectAccepted(await verify(demo.layout, digest));
  });

  it('notation refuses the same signature without its time-stamp', async () => {
    for (const digest of await loadSigned(bare, 'package')) {
      expectRefused(
        await verify(bare, digest),
        /certificate .*(expired|not valid)|no timestamp|timestamp.*(empty|not found)/i,
      );
    }
  });

  it('our verifier accepts both, by the receipt of the log', async () => {
    const env = { HOME: scratch, MARGO_TRUST_REGISTRY: service?.address };
    const margoTrust = (...args: string[]) => must(join(repository, 'apps/cli/bin/margo-trust.mjs'), args, { env });
    await margoTrust('root', 'init', '--root', demo.root);
    for (const layout of [demo.layout, bare]) {
      const [digest] = await loadSigned(layout, 'package');
      expectAccepted(await margoTrust('verify', `${layout}@${digest}`, '--offline'));
    }
  });
});

async function verify(layout: string, digest: string): Promise<Finished> {
  const cache = await temporaryDirectory();
  try {
    const env = { XDG_CONFIG_HOME: demo.configHome, XDG_CACHE_HOME: cache, NOTATION_EXPERIMENTAL: '1' };
    const args = ['verify', '-v', '--oci-layout', `${layout}@${digest}`, '--scope', 'registry.example/margo/app'];
    return await run(client('notation'), args, { env });
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}

/** What faketime puts around a program, for one that is started by others: its clock is so many days behind, and goes on. */
async function clockAgo(days: number): Promise<NodeJS.ProcessEnv> {
  const { stdout } = await must(client('faketime'), ['-f', `-${days}d`, 'sh', '-c', 'echo "$LD_PRELOAD"']);
  return { LD_PRELOAD: stdout.trim(), FAKETIME: `-${days}d`, FAKETIME_DONT_FAKE_MONOTONIC: '1' };
}
