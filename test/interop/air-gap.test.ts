/** Stock `notation` on a site without network, its CRL cache filled from a folder that somebody carried there. */
import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoOf } from './demo.ts';
import { expectAccepted, expectRefused } from './expect.ts';
import { client, must, run, startService, temporaryDirectory, type Finished, type Service } from './harness.ts';
import { loadSigned } from './layout.ts';

let service: Service;
let scratch: string;
let stick: string;
let carried: { layout: string; configHome: string };

beforeAll(async () => {
  scratch = await temporaryDirectory();
  service = await startService();
  stick = join(scratch, 'stick');
  const margoTrust = (...args: string[]) =>
    must('npx', ['--no', 'margo-trust', ...args], {
      env: { HOME: scratch, XDG_DATA_HOME: join(scratch, 'data'), MARGO_TRUST_REGISTRY: service.address },
    });
  await margoTrust('root', 'init', '--root', demoOf(service).root);
  await margoTrust('root', 'export', '--notation-crls', stick);

  const { layout, configHome } = demoOf(service);
  carried = { layout: join(stick, 'app.oci'), configHome: join(stick, 'config') };
  await cp(layout, carried.layout, { recursive: true });
  await mkdir(carried.configHome);
  await cp(join(configHome, 'notation'), join(carried.configHome, 'notation'), { recursive: true });
  await service.stop();
});

afterAll(async () => {
  await service?.stop();
  await rm(scratch, { recursive: true, force: true });
});

describe('notation verify without network', () => {
  it('accepts with the CRLs from the stick', async () => {
    expect(await readdir(join(stick, 'crl'))).not.toEqual([]);
    const cache = join(scratch, 'filled');
    await cp(join(stick, 'crl'), join(cache, 'notation/crl'), { recursive: true });
    for (const digest of await loadSigned(carried.layout, 'package')) expectAccepted(await verify(digest, cache));
  });

  it('refuses with an empty cache, since it cannot fetch any', async () => {
    const [digest] = await loadSigned(carried.layout, 'package');
    expectRefused(await verify(digest ?? '', join(scratch, 'empty')), /failed to download CRL/);
  });
});

function verify(digest: string, cache: string): Promise<Finished> {
  const args = ['verify', '-v', '--oci-layout', `${carried.layout}@${digest}`, '--scope', 'registry.example/margo/app'];
  const env = { XDG_CONFIG_HOME: carried.configHome, XDG_CACHE_HOME: cache, NOTATION_EXPERIMENTAL: '1' };
  return run(client('notation'), args, { env });
}
