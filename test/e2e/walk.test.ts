/** The walk of a vendor and a device, by the command line tool as it is shipped and the service as it is started. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, repository, startService, type Service } from '../service.ts';
import { until } from './audit.ts';

interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly output: string;
}

const home = mkdtempSync(join(tmpdir(), 'margo walk '));
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Runs the tool in `home`, where a newcomer would be. */
function margoTrust(service: Service, ...args: string[]): Promise<Finished> {
  const program = join(repository, 'apps/cli/bin/margo-trust.mjs');
  const env = { ...cleanEnvironment(), HOME: home, MARGO_TRUST_REGISTRY: service.url };
  return new Promise((resolve) => {
    execFile(program, args, { cwd: home, env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, output: stdout + stderr });
    });
  });
}

describe('from nothing to a verdict', () => {
  let service: Service;
  const run = async (...args: string[]): Promise<Finished> => {
    const finished = await margoTrust(service, ...args);
    expect(finished.code, `margo-trust ${args.join(' ')}\n${finished.output}`).toBe(0);
    return finished;
  };
  const codeOf = async (...args: string[]): Promise<number> => (await margoTrust(service, ...args)).code;
  const application = 'app.oci:1.0.0';

  beforeAll(async () => {
    service = await startService({ story: false });
  });
  afterAll(() => service?.stop());

  it('takes eight commands', async () => {
    await run(
      ...['vendor', 'apply', '--as', 'victor', '--legal-name', 'Acme Industrial GmbH', '--country', 'DE'],
      ...['--state', 'Hessen', '--security-contact', 'psirt@acme.example'],
      ...['--application-id-prefix', 'nextcloud-', '--oci-namespace', 'registry.example.com/library'],
    );
    await run('vendor', 'approve', 'Acme Industrial GmbH', '--as', 'alice', '--note', 'Register looked up.');
    await run('vendor', 'approve', 'Acme Industrial GmbH', '--as', 'bob');
    await run('cert', 'request', '--as', 'victor');
    await run('example', 'app.oci');
    await run('sign', application, '--release');
    await run('root', 'init', '--trust-first-use');
    const { stdout } = await run('verify', application, '--release');
    expect(stdout).toContain('trusted: app.oci:1.0.0');
    expect(stdout).toContain('nextcloud-stack 1.0.0');
    expect(stdout).toContain('Acme Industrial GmbH');
    expect(statSync(join(home, 'margo-key.pem')).mode & 0o777).toBe(0o600);
  });

  it('is known to the log', async () => {
    const found = JSON.parse((await run('log', 'search', 'nextcloud-stack', '--json')).stdout) as {
      entries: { index: string; entryId: string }[];
    };
    expect(found.entries).toHaveLength(1);
    const { index = '', entryId = '' } = found.entries[0] ?? {};
    for (const id of [index, entryId]) expect((await run('log', 'show', id)).stdout).toContain('nextcloud-stack');
    expect((await run('log', 'show')).stdout).toContain('log.registry.localhost');
    expect(await codeOf('log', 'show', '999999')).toBe(1);
  });

  it('goes into one file that needs nothing else', async () => {
    const root = join(home, '.local/share/margo-trust/trust-root/initial.root.json');
    await run('bundle', 'create', application, '--output', 'evidence.bundle');
    expect((await run('bundle', 'verify', 'evidence.bundle', '--root', root)).stdout).toContain(
      'nextcloud-stack 1.0.0',
    );
    expect((await run('verify', 'evidence.bundle', '--offline')).stdout).toContain('trusted');
  });

  it('registers the same statement once', async () => {
    const shown = JSON.parse((await run('log', 'search', 'nextcloud-stack', '--json')).stdout) as {
      entries: { index: string; entryId: string }[];
    };
    const { index = '', entryId = '' } = shown.entries[0] ?? {};
    const { entry } = JSON.parse((await run('log', 'show', index, '--json')).stdout) as {
      entry: { statement: string };
    };
    writeFileSync(join(home, 'release.cose'), Buffer.from(entry.statement, 'base64'));
    const again = await run('register', 'release.cose', '--output', 'again.cose');
    expect(again.stdout).toContain(entryId);
    await run('verify', 'again.cose');
  });

  it('knows who somebody is', async () => {
    await run('login', '--as', 'victor');
    expect((await run('whoami')).stdout).toContain('owner of');
    expect((await run('vendor', 'status')).stdout).toContain('active');
    expect((await run('cert', 'list')).stdout).toContain('valid');
    await run('logout');
    expect(await codeOf('whoami')).toBe(1);
  });

  it('is refused while the vendor is suspended, and trusted again after', async () => {
    const { stdout } = await run('vendor', 'status', 'Acme Industrial GmbH');
    expect(stdout).toContain('active');
    await run('vendor', 'suspend', 'Acme Industrial GmbH', '--as', 'carol', '--reason', 'Under investigation.');
    await until(async () => (await codeOf('verify', application)) === 25);
    expect((await margoTrust(service, 'sign', application)).output).toContain('not active');
    await run('vendor', 'reinstate', 'Acme Industrial GmbH', '--as', 'carol');
    await until(async () => (await codeOf('verify', application)) === 0);
  });

  it('is refused for good once its certificate is revoked, also from the bundle made before', async () => {
    const { certificates } = JSON.parse((await run('cert', 'list', '--as', 'victor', '--json')).stdout) as {
      certificates: { serial: string }[];
    };
    await run('cert', 'revoke', certificates[0]?.serial ?? '', '--reason', 'keyCompromise', '--as', 'victor');
    await until(async () => (await codeOf('verify', application)) === 20);
    expect(await codeOf('verify', 'evidence.bundle', '--offline')).toBe(20);
    expect(await codeOf('bundle', 'verify', 'evidence.bundle')).toBe(20);
    expect(await codeOf('sign', application)).toBe(1);
  });
});

describe('margo-trust demo', () => {
  let service: Service;
  let demo: string;
  beforeAll(async () => {
    service = await startService();
    demo = join(service.dataDir, 'demo');
  });
  afterAll(() => service?.stop());

  it('leaves what scripts rely on', async () => {
    const names = ['app.oci/index.json', 'evidence.bundle', 'root.json', 'vendor/key.pem', 'vendor/chain.pem'];
    const notation = [
      'truststore/x509/ca/margo',
      'truststore/x509/tsa/margo',
      'trustpolicy.json',
      'trustpolicy.oci.json',
    ];
    for (const name of [...names, ...notation.map((file) => `notation/${file}`)]) {
      expect(existsSync(join(demo, name)), name).toBe(true);
    }
    const bundle = ['bundle', 'verify', join(demo, 'evidence.bundle'), '--root', join(demo, 'root.json')];
    expect((await margoTrust(service, ...bundle)).code).toBe(0);
  });

  it('does nothing the second time', async () => {
    const before = readFileSync(join(demo, 'app.oci/index.json'), 'utf8');
    const { code, stdout } = await margoTrust(service, 'demo', '--out', demo);
    expect([code, stdout]).toEqual([0, expect.stringContaining('played already')]);
    expect(readFileSync(join(demo, 'app.oci/index.json'), 'utf8')).toBe(before);
  });

  it('starts over where it was cut short, with the same vendor', async () => {
    const chain = readFileSync(join(demo, 'vendor/chain.pem'), 'utf8');
    rmSync(join(demo, 'evidence.bundle'));
    writeFileSync(join(demo, 'app.oci/index.json'), '{');
    const { code, output } = await margoTrust(service, 'demo', '--out', demo);
    expect(code, output).toBe(0);
    expect(output).not.toContain('applied for');
    expect(readFileSync(join(demo, 'vendor/chain.pem'), 'utf8')).toBe(chain);
  });
});
