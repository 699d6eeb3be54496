/** A vendor's builds and its next key, by the command line as it is shipped and the service as it is started. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { developmentLogin } from '@margo-trust/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, repository, startService, type Service } from '../service.ts';

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly output: string;
}

const home = mkdtempSync(join(tmpdir(), 'margo-builds-'));
let service: Service;
let vendor: { id: string; uri: string };

/** Runs the tool; `token` stands in the environment as GitLab puts it there. */
function margoTrust(args: readonly string[], token?: string): Promise<Finished> {
  const program = join(repository, 'apps/cli/bin/margo-trust.mjs');
  const env = {
    ...cleanEnvironment(),
    ...{ HOME: home, MARGO_TRUST_REGISTRY: service.url },
    ...(token !== undefined && { MARGO_TRUST_IDENTITY_TOKEN: token }),
  };
  return new Promise((resolve) => {
    execFile(program, args, { cwd: home, env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, output: stdout + stderr });
    });
  });
}

async function run(...args: string[]): Promise<string> {
  const { code, stdout, output } = await margoTrust(args);
  expect(code, `margo-trust ${args.join(' ')}\n${output}`).toBe(0);
  return stdout;
}

const parsed = async <T>(...args: string[]) => JSON.parse(await run(...args, '--json')) as T;

/** The embedded sign-in plays the CI: it vouches for a build that is called victor. */
const identityToken = async () => (await developmentLogin({ baseUrl: service.url, account: 'victor' })).accessToken;

beforeAll(async () => {
  service = await startService({ story: false });
  ({ vendor } = await parsed<{ vendor: { id: string; uri: string } }>(
    ...['vendor', 'apply', '--as', 'victor', '--legal-name', 'Acme Industrial GmbH', '--country', 'DE'],
    ...['--state', 'Hessen', '--security-contact', 'psirt@acme.example'],
    ...['--application-id-prefix', 'nextcloud-', '--oci-namespace', 'registry.example.com/library'],
  ));
  for (const member of ['alice', 'bob']) await run('vendor', 'approve', vendor.id, '--as', member);
  await run('root', 'init', '--trust-first-use');
  await run('example', 'app.oci');
});
afterAll(async () => {
  await service?.stop();
  rmSync(home, { recursive: true, force: true });
});

describe('a build', () => {
  const files = ['--key', 'ci-key.pem', '--chain', 'ci-chain.pem'];
  const issuer = () => `${service.url}/oidc`;
  let binding: string;

  it('gets nothing before an owner has bound it', async () => {
    const { code, output } = await margoTrust(
      ['certificate', 'request', '--identity-token', '-', ...files],
      await identityToken(),
    );
    expect([code, output]).toEqual([expect.any(Number), expect.stringContaining('No vendor has bound builds')]);
    expect(code).not.toBe(0);
  });

  it('is bound by an owner, and shown to anybody', async () => {
    const args = ['workload', 'bind', 'victor', '--issuer', issuer(), '--as', 'victor'];
    const bound = await parsed<{ binding: { id: string; audience: string } }>(...args);
    binding = bound.binding.id;
    expect(bound.binding.audience).toBe(vendor.uri);
    expect(await run('workload', 'list', vendor.id)).toContain('victor');
    expect((await margoTrust([...args, '--claim', 'x'])).output).toContain('name=value');
  });

  it('signs a release by its token, which verifies and names the build', async () => {
    writeFileSync(join(home, 'token.jwt'), await identityToken());
    const got = await run('certificate', 'request', '--identity-token', 'token.jwt', ...files);
    expect(got).toContain(vendor.uri);
    await run('sign', 'app.oci:1.0.0', '--release', ...files);
    const verified = await run('verify', 'app.oci:1.0.0', '--release');
    expect(verified).toContain('trusted: app.oci:1.0.0');
    expect(verified).toContain('of a build, for a day');
    expect(verified).toContain(`victor (${issuer()})`);
    await run('bundle', 'create', 'app.oci:1.0.0', '--output', 'evidence.bundle');
    const root = join(home, '.local/share/margo-trust/trust-root/initial.root.json');
    const offline = await parsed<object>('bundle', 'verify', 'evidence.bundle', '--root', root);
    expect(JSON.stringify(offline)).toContain('"assurance":"ci"');
  });

  it('is shown with its certificate', async () => {
    const { certificates } = await parsed<{ certificates: { serial: string; assurance: string }[] }>(
      ...['certificate', 'list', vendor.id],
    );
    expect(certificates).toMatchObject([{ assurance: 'ci' }]);
    const shown = await run('certificate', 'show', certificates[0]!.serial.toUpperCase());
    expect(shown).toContain('a build, for a day');
    expect(shown).toContain(`victor (${issuer()})`);
    await run('certificate', 'download', certificates[0]!.serial, '--out', 'downloaded.pem');
    expect(readFileSync(join(home, 'downloaded.pem'), 'utf8')).toBe(readFileSync(join(home, 'ci-chain.pem'), 'utf8'));
  });

  it('gets nothing by the token that it has used, nor after the binding has ended', async () => {
    const used = readFileSync(join(home, 'token.jwt'), 'utf8');
    const again = [
      'certificate',
      'request',
      '--identity-token',
      '-',
      '--key',
      'other.pem',
      '--chain',
      'other-chain.pem',
    ];
    expect((await margoTrust(again, used)).output).toContain('exchanged for another key');
    await run('workload', 'unbind', binding, '--as', 'victor');
    expect((await margoTrust(again, await identityToken())).output).toContain('No vendor has bound builds');
    expect(await run('verify', 'app.oci:1.0.0', '--release')).toContain('trusted');
  });
});

describe('the next key', () => {
  it('is certified beside the one in use: both verify, and the log can be followed to the end', async () => {
    await run('certificate', 'request', '--as', 'victor');
    await run('sign', 'app.oci:1.0.0');
    const renewed = await parsed<{ before: { serial: string; keyFile: string; chainFile: string } }>(
      ...['certificate', 'renew', '--as', 'victor'],
    );
    const { serial, keyFile, chainFile } = renewed.before;
    expect(keyFile).toBe(`margo-key.pem.${serial}`);
    await run('sign', 'app.oci:1.0.0');
    await run('sign', 'app.oci:1.0.0', '--key', keyFile, '--chain', chainFile);
    expect(await run('verify', 'app.oci:1.0.0')).toContain('trusted');

    const list = await parsed<{ certificates: { status: string; assurance: string }[]; renew: string[] }>(
      ...['certificate', 'list', vendor.id],
    );
    const software = list.certificates.filter(({ assurance }) => assurance === 'software');
    expect([software.map(({ status }) => status), list.renew]).toEqual([['valid', 'valid'], []]);
    await run('log', 'replay');
  });
});
