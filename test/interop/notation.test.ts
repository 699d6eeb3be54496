/**
 * Stock `notation verify`, policy level strict with revocation enforced, on what the registry signed: from a registry with the
 * referrers API, from one without (fallback tag), from a copy of a copy, and from the OCI layout itself.
 */
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { developmentLogin } from '@margo-trust/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoOf, revokeDemoCertificate, type Demo } from './demo.ts';
import { expectAccepted, expectRefused } from './expect.ts';
import {
  client,
  must,
  repository,
  run,
  startDockerRegistry,
  startGoRegistry,
  startService,
  temporaryDirectory,
  waitUntil,
  type Finished,
  type Running,
  type Service,
} from './harness.ts';
import { loadSigned, spoilSignatures, type Kind } from './layout.ts';
import { noteSeen } from './seen.ts';

const SIGNED: Kind[] = ['package', 'chart', 'compose', 'index', 'release'];

let service: Service;
let demo: Demo;
let scratch: string;
let places: Record<'referrers API' | 'fallback tag' | 'copy back', string>;
const running: Running[] = [];

beforeAll(async () => {
  scratch = await temporaryDirectory();
  service = await startService();
  running.push(service);
  demo = demoOf(service);

  const [go, docker] = [await startGoRegistry(), await startDockerRegistry()];
  running.push(go, docker);
  places = {
    'referrers API': `${go.address}/margo`,
    'fallback tag': `${docker.address}/margo`,
    'copy back': `${go.address}/copy`,
  };
  // The package brings its release and the release's signature along: `-r` follows referrers of referrers.
  for (const kind of SIGNED.filter((one) => one !== 'release')) {
    for (const [number, digest] of (await loadSigned(demo.layout, kind)).entries()) {
      const name = `${kind}:v${number}`;
      await copy('--from-oci-layout', `${demo.layout}@${digest}`, `${places['referrers API']}/${name}`);
      await copy('--from-plain-http', `${places['referrers API']}/${name}`, `${places['fallback tag']}/${name}`);
      await copy('--from-plain-http', `${places['fallback tag']}/${name}`, `${places['copy back']}/${name}`);
    }
  }
});

afterAll(async () => {
  await Promise.all(running.map((one) => one.stop()));
  await rm(scratch, { recursive: true, force: true });
});

describe('notation verify', () => {
  describe.each(['referrers API', 'fallback tag', 'copy back'] as const)('from a registry: %s', (place) => {
    it.each(SIGNED)('accepts every signed %s', async (kind) => {
      noteSeen(place === 'fallback tag' ? 'docker-registry' : 'registry');
      for (const digest of await loadSigned(demo.layout, kind)) {
        expectAccepted(await verify(`${places[place]}/${repositoryOf(kind)}@${digest}`));
      }
    });
  });

  it.each(SIGNED)('accepts every signed %s in the OCI layout', async (kind) => {
    for (const digest of await loadSigned(demo.layout, kind)) {
      expectAccepted(await verifyLayout(`${demo.layout}@${digest}`));
    }
  });

  it('refuses a signature with one flipped bit', async () => {
    const spoiled = join(scratch, 'spoiled.oci');
    await cp(demo.layout, spoiled, { recursive: true });
    await spoilSignatures(spoiled);

    for (const [number, digest] of (await loadSigned(spoiled, 'package')).entries()) {
      expectRefused(await verifyLayout(`${spoiled}@${digest}`), 'signature is invalid');

      const target = `${places['referrers API']}/spoiled`;
      await copy('--from-oci-layout', `${spoiled}@${digest}`, `${target}:v${number}`);
      expectRefused(await verify(`${target}@${digest}`), 'signature is invalid');
    }
  });

  it('refuses what carries no signature', async () => {
    const [digest] = await loadSigned(demo.layout, 'package');
    const target = `${places['referrers API']}/unsigned`;
    // Without -r the referrers stay behind.
    await must(client('oras'), [
      ...['cp', '--from-oci-layout', '--to-plain-http', `${demo.layout}@${digest}`, `${target}:v1`],
    ]);
    expectRefused(await verify(`${target}@${digest}`), 'no signature is associated');
  });

  it('accepts what a build has signed with a certificate for a day, which names no CRL', async () => {
    const home = join(scratch, 'build');
    await mkdir(home);
    const margoTrust = (...args: string[]) =>
      must(join(repository, 'apps/cli/bin/margo-trust.mjs'), args, {
        cwd: home,
        env: { HOME: home, MARGO_TRUST_REGISTRY: service.address },
      });
    await margoTrust('workload', 'bind', 'victor', '--issuer', `${service.address}/oidc`, '--as', 'victor');
    const { accessToken } = await developmentLogin({ baseUrl: service.address, account: 'victor' });
    await writeFile(join(home, 'token.jwt'), accessToken);
    await margoTrust('certificate', 'request', '--identity-token', 'token.jwt');
    await margoTrust('example', 'app.oci');
    await margoTrust('sign', 'app.oci:1.0.0');
    const layout = join(home, 'app.oci');
    const [digest] = await loadSigned(layout, 'package');
    expect(digest).toMatch(/^sha256:/);
    expectAccepted(await verifyLayout(`${layout}@${digest}`));
    await spoilSignatures(layout);
    expectRefused(await verifyLayout(`${layout}@${digest}`), 'signature is invalid');
  });

  // Last: nothing in this service verifies afterwards.
  it('refuses everything once the certificate is revoked, whatever its date, where our verifier goes by the date', async () => {
    await revokeDemoCertificate(service, new Date()); // after all that it has signed
    const home = await temporaryDirectory();
    const margo = (...args: string[]) =>
      run(process.execPath, [join(repository, 'apps/cli/dist/margo-trust.js'), ...args], { env: { HOME: home } });
    await waitUntil('the trust root names the revocation', async () => {
      const { output } = await margo('root', 'init', '--root', demo.root, '--registry', service.address);
      return output.includes('1 certificates');
    });
    const [release] = await loadSigned(demo.layout, 'package');
    expectAccepted(await margo('verify', `${demo.layout}@${release}`, '--offline'));
    await rm(home, { recursive: true, force: true });
    for (const kind of SIGNED) {
      const [digest] = await loadSigned(demo.layout, kind);
      for (const place of Object.values(places)) {
        expectRefused(await verify(`${place}/${repositoryOf(kind)}@${digest}`), 'is revoked');
      }
      expectRefused(await verifyLayout(`${demo.layout}@${digest}`), 'is revoked');
    }
  });
});

function repositoryOf(kind: Kind): string {
  return kind === 'release' ? 'package' : kind;
}

async function copy(from: '--from-oci-layout' | '--from-plain-http', source: string, target: string): Promise<void> {
  await must(client('oras'), ['cp', '--recursive', from, '--to-plain-http', source, target]);
}

async function verify(reference: string): Promise<Finished> {
  return notation(['verify', '-v', '--insecure-registry', reference]);
}

async function verifyLayout(reference: string): Promise<Finished> {
  return notation(['verify', '-v', '--oci-layout', reference, '--scope', 'registry.example/margo/app']);
}

/** Each time with an empty cache: notation would trust a CRL it has until its nextUpdate. */
async function notation(args: string[]): Promise<Finished> {
  const cache = await temporaryDirectory();
  try {
    const env = { XDG_CONFIG_HOME: demo.configHome, XDG_CACHE_HOME: cache, NOTATION_EXPERIMENTAL: '1' };
    return await run(client('notation'), args, { env });
  } finally {
    await rm(cache, { recursive: true, force: true });
  }
}
