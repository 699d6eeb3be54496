/** What GnuPG and Helm sign, read against a vendor; and Helm beside it. Weak, expired and revoked keys are in libs/openpgp. */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoOf, loadChain } from './demo.ts';
import { expectAccepted, expectRefused } from './expect.ts';
import {
  client,
  must,
  repository,
  run,
  startService,
  temporaryDirectory,
  waitUntil,
  type Finished,
  type Service,
} from './harness.ts';
import { noteSeen } from './seen.ts';

/** Exit codes of `margo-trust openpgp verify`. */
const [WEAKLY, REFUSED] = [27, 12];
const CHART = 'pump-0.1.0.tgz';

let service: Service;
let scratch: string;
let vendor: string;
let fingerprints: string[];

beforeAll(async () => {
  scratch = await temporaryDirectory();
  service = await startService();
  const [leaf] = await loadChain(demoOf(service));
  vendor = /URI:(https:[^,]+)/.exec(leaf?.subjectAltName ?? '')?.[1] ?? '';
  await mkdir(join(scratch, 'gnupg'), { mode: 0o700 });
  await writeFile(join(scratch, 'tool.tar.gz'), 'a download');

  for (const algorithm of ['rsa3072', 'ed25519']) {
    await must(...gpg('--quick-gen-key', `Acme <${algorithm}@acme.example>`, algorithm, 'sign', 'never'));
  }
  const { stdout } = await must(...gpg('--with-colons', '--list-keys'));
  fingerprints = [...stdout.matchAll(/^fpr:+([0-9A-F]{40}):/gm)].map(([, fingerprint = '']) => fingerprint);
  expect(fingerprints).toHaveLength(2);
  for (const fingerprint of fingerprints) {
    const key = await must(...gpg('--armor', '--export-options', 'export-minimal', '--export', fingerprint));
    await writeFile(join(scratch, 'key.asc'), key.stdout);
    await must(...margoTrust('openpgp', 'register', 'key.asc', '--as', 'victor'));
  }
  // Helm reads a keyring of GnuPG's first version.
  await must(...gpg('--output', 'secret.gpg', '--export-secret-keys', fingerprints[0] ?? ''));
  await must(...gpg('--output', 'public.gpg', '--export', fingerprints[0] ?? ''));
  await must(...helm('create', 'pump'));
  await must(...helm('package', 'pump', '--sign', '--key', 'Acme', '--keyring', 'secret.gpg'));

  await must(...margoTrust('root', 'init', '--root', demoOf(service).root, '--vendor', vendor));
  await must(...gpg('--output', 'probe.sig', '--local-user', fingerprints[1] ?? '', '--detach-sign', 'tool.tar.gz'));
  await waitUntil('devices know the keys', async () => {
    return (await verify('tool.tar.gz', '--signature', 'probe.sig')).code === WEAKLY;
  });
});

afterAll(async () => {
  await run('gpgconf', ['--kill', 'gpg-agent'], { env: { GNUPGHOME: join(scratch, 'gnupg') } });
  await service?.stop();
  await rm(scratch, { recursive: true, force: true });
});

describe('GnuPG', () => {
  it.each([
    ['binary, by RSA', 0, []],
    ['armored, by Ed25519', 1, ['--armor']],
  ])('makes a detached signature that reads: %s', async (_what, key, options) => {
    const signature = `tool-${key}.sig`;
    const user = ['--local-user', fingerprints[key] ?? ''];
    await must(...gpg(...options, ...user, '--output', signature, '--detach-sign', 'tool.tar.gz'));
    const read = await verify('tool.tar.gz', '--signature', signature);
    expect([read.code, read.output], read.output).toEqual([WEAKLY, expect.stringContaining('not trusted')]);
    expectAccepted(await run(...gpg('--verify', signature, 'tool.tar.gz')));

    await writeFile(join(scratch, 'other.tar.gz'), 'another download');
    expect((await verify('other.tar.gz', '--signature', signature)).code).toBe(REFUSED);
    expectRefused(await run(...gpg('--verify', signature, 'other.tar.gz')), 'BAD signature');
  });
});

describe('Helm', () => {
  it('makes a provenance file that reads', async () => {
    const read = await verify(CHART, '--prov', `${CHART}.prov`);
    expect([read.code, read.output], read.output).toEqual([WEAKLY, expect.stringContaining('not trusted')]);
    expectAccepted(await run(...helm('verify', CHART, '--keyring', 'public.gpg')));
    noteSeen('helm');
  });

  it('refuses, as we do, a chart with one flipped bit', async () => {
    const spoiled = join(scratch, 'spoiled');
    await mkdir(spoiled);
    const bytes = await readFile(join(scratch, CHART));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(join(spoiled, CHART), bytes);
    await cp(join(scratch, `${CHART}.prov`), join(spoiled, `${CHART}.prov`));
    const read = await verify(join(spoiled, CHART), '--prov', join(spoiled, `${CHART}.prov`));
    expect(read.code, read.output).toBe(REFUSED);
    expectRefused(
      await run(...helm('verify', join(spoiled, CHART), '--keyring', 'public.gpg')),
      /sha256 sum does not match/,
    );
  });
});

describe('a key that the vendor has withdrawn', () => {
  it('verifies nothing any more, though GnuPG goes on', async () => {
    await must(...margoTrust('openpgp', 'withdraw', fingerprints[1] ?? '', '--as', 'victor'));
    await waitUntil('devices know', async () => {
      return (await verify('tool.tar.gz', '--signature', 'probe.sig')).code === REFUSED;
    });
    expectAccepted(await run(...gpg('--verify', 'probe.sig', 'tool.tar.gz')));
    expect((await verify(CHART, '--prov', `${CHART}.prov`)).code, 'the other key').toBe(WEAKLY);
  });
});

type Call = Parameters<typeof run>;

function gpg(...args: string[]): Call {
  const quiet = ['--batch', '--quiet', '--yes', '--no-tty', '--pinentry-mode', 'loopback', '--passphrase', ''];
  return [client('gpg'), [...quiet, ...args], { cwd: scratch, env: { GNUPGHOME: join(scratch, 'gnupg') } }];
}

function helm(...args: string[]): Call {
  return [client('helm'), args, { cwd: scratch, env: { HOME: scratch } }];
}

function margoTrust(...args: string[]): Call {
  const env = { HOME: scratch, MARGO_TRUST_REGISTRY: service.address };
  return [join(repository, 'apps/cli/bin/margo-trust.mjs'), args, { cwd: scratch, env }];
}

async function verify(...args: string[]): Promise<Finished> {
  return run(...margoTrust('openpgp', 'verify', '--vendor', vendor, ...args));
}
