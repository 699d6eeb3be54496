import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { openssl } from '@margo-trust/testkit';
import type { Authority } from '@margo-trust/wire';
import { encodePem, parsePem } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCli } from '../../../../test/cli.ts';
import { readDocCommands } from '../../../../test/e2e/doc-commands.ts';
import { admitVendor, call, issueTo } from '../../../../test/pki.ts';
import { startTestRegistry, type TestRegistry } from '../../../../test/registry.ts';
import { IssueCrl } from '../revocation/issue-crl.ts';
import { PublishTrustRoot } from '../trust-root/publish-trust-root.ts';
import { RenewTargets } from '../trust-root/renew-targets.ts';

const PAGE = new URL('../../../../docs/operations/ceremony.md', import.meta.url);
const env = { MARGO_TRUST_KEY_PASSPHRASE: 'correct horse' };

describe('docs/operations/ceremony.md', () => {
  const cli = new TestCli();
  const directory = mkdtempSync(join(tmpdir(), 'margo-ceremony-'));
  const home = process.cwd();
  let registry: TestRegistry;
  let variables: Record<string, string>;

  beforeAll(async () => {
    registry = await startTestRegistry({ env: { KEYS_PASSPHRASE: env.MARGO_TRUST_KEY_PASSPHRASE } });
    const keys = registry.config.keysDirectory;
    variables = {
      ...{ REGISTRY: registry.url, KEYS_DIR: keys },
      ...{ ROOT_KEY: join(keys, 'offline/ca-root.pem'), TSA_CA_KEY: join(keys, 'offline/tsa-ca.pem') },
    };
    process.chdir(directory);
  });
  afterAll(async () => {
    process.chdir(home);
    await registry?.close();
    for (const each of [directory, cli.home]) rmSync(each, { recursive: true });
  });

  /** What a shell would make of it, as far as the page goes. */
  const wordsOf = (text: string): string[] =>
    [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) =>
      (quoted ?? bare ?? '').replace(/\$([A-Z_]+)/g, (_, name: string) => variables[name] ?? expect.fail(`$${name}`)),
    );

  const commands = readDocCommands(readFileSync(PAGE, 'utf8'));

  it('has commands', () => expect(commands.length).toBeGreaterThan(15));

  it.each(commands)('line $line: $text', async ({ text }) => {
    const [program, name, ...args] = wordsOf(text) as [string, string, ...string[]];
    if (program === 'curl') return void (await promisify(execFile)(program, [name, ...args]));
    expect([program, name]).toEqual(['npx', 'margo-trust']);
    if (args.includes('switch')) await doDatedWork();
    const { code, stdout, stderr } = await cli.run(args, { env });
    expect(code, stdout + stderr).toBe(0);
  });

  it('prints what it says it prints', async () => {
    const [, block = ''] = /```text\n(act [^`]*)```/.exec(readFileSync(PAGE, 'utf8')) ?? [];
    const line = commands[0]!.text.replace('--out ceremony', '--out elsewhere').replace('safe/ca-root.pem', 'new.pem');
    const { stdout } = await cli.run(wordsOf(line).slice(2), { env });
    expect(stdout).toBe(block.replace('safe/ca-root.pem', 'new.pem'));
    expect(existsSync('elsewhere') || existsSync('new.pem')).toBe(false);
  });

  it('leaves encrypted keys, certificates that openssl accepts, and transcripts', () => {
    for (const name of ['ca-root', 'ca-root-2', 'tsa-ca']) {
      expect(readFileSync(`safe/${name}.pem`, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
      expect(statSync(`safe/${name}.pem`).mode & 0o777).toBe(0o600);
    }
    for (const name of ['root', 'root-2', 'tsa-ca']) {
      const pem = readFileSync(`ceremony/${name}.crt`, 'utf8');
      const { output } = openssl(['verify', '-x509_strict', '-CAfile', 'ca.pem', 'ca.pem'], { 'ca.pem': pem });
      expect(output).toContain('ca.pem: OK');
    }
    const crl = openssl(['crl', '-in', 'crl', '-CAfile', 'ca', '-noout'], {
      crl: readFileSync('renewal/root.crl'),
      ca: readFileSync('ceremony/root.crt'),
    });
    expect(crl.output).toContain('verify OK');

    const transcript = JSON.parse(readFileSync('rollover/issuing-2.transcript.json', 'utf8')) as Record<
      string,
      unknown
    >;
    expect(transcript).toMatchObject({
      ...{ act: 'issue-ca', present: ['Ada Lovelace', 'Grace Hopper'] },
      signed: [{ kind: 'certificate', subject: expect.stringContaining('Issuing CA 2'), sha256: expect.any(String) }],
      keys: [{ name: 'issuer', algorithm: 'ES384' }, { name: 'issuing-2' }],
    });
    expect(JSON.stringify(transcript)).not.toContain(env.MARGO_TRUST_KEY_PASSPHRASE);
  });

  it('leaves a registry that issues under the new CA and stamps with the new key', async () => {
    const { items } = (await call(registry, 'get', '/api/v1/authorities')).body as { items: Authority[] };
    expect(Object.fromEntries(items.map(({ name, state }) => [name, state]))).toEqual({
      ...{ root: 'active', 'issuing-1': 'retiring', 'issuing-2': 'active' },
      ...{ 'tsa-ca': 'active', tsa: 'retired', 'tsa-2': 'active' },
    });
    const vendor = await admitVendor(registry);
    const { certificate } = await issueTo(registry, vendor);
    const { certificate: pem } = items.find(({ name }) => name === 'issuing-2')!;
    const root = new Uint8Array(await (await fetch(`${registry.url}/ca/root.crt`)).arrayBuffer());
    const files = { 'root.pem': encodePem('CERTIFICATE', root), 'issuing.pem': pem, 'leaf.pem': certificate };
    const { output } = openssl(
      ['verify', '-x509_strict', '-CAfile', 'root.pem', '-untrusted', 'issuing.pem', 'leaf.pem'],
      files,
    );
    expect(output).toContain('leaf.pem: OK');
  });

  describe('a step', () => {
    const init = (...more: string[]) =>
      cli.run(['--json', 'ca', 'init', '--domain', 'registry.example', '--out', 'ceremony', ...more], { env });

    it('that would write over a file signs nothing', async () => {
      const { code, stdout } = await init('--key', 'safe/ca-root.pem', '--present', 'Ada', '--yes');
      expect([code, JSON.parse(stdout)]).toMatchObject([2, { error: { code: 'cli/file-exists' } }]);
    });

    it('without witnesses signs nothing', async () => {
      const { code, stdout } = await init('--number', '3', '--key', 'safe/ca-root-3.pem', '--yes');
      expect([code, JSON.parse(stdout)]).toMatchObject([2, { error: { code: 'cli/bad-usage' } }]);
      expect(existsSync('safe/ca-root-3.pem')).toBe(false);
    });

    it('writes no key without a passphrase', async () => {
      const { code, stdout } = await cli.run(['--json', 'ca', 'request', '--key', 'bare.pem', '--out', 'bare.csr']);
      expect([code, JSON.parse(stdout)]).toMatchObject([2, { error: { code: 'cli/bad-usage' } }]);
      expect(existsSync('bare.pem')).toBe(false);
    });

    it('with the key of somebody else signs nothing', async () => {
      const args = ['--json', 'ca', 'issue-ca', '--csr', 'issuing-2.csr', '--issuer', 'root.crt', '--number', '3'];
      const key = ['--key', 'safe/ca-root.pem', '--publication-url', 'http://registry.example', '--out', 'other'];
      const { stdout } = await cli.run([...args, ...key, '--present', 'Ada', '--yes'], { env });
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'cli/ceremony-refused' } });
      expect(existsSync('other')).toBe(false);
    });

    it('takes no request whose signature does not hold', async () => {
      const [csr] = parsePem('CERTIFICATE REQUEST', readFileSync('issuing-2.csr', 'utf8'));
      csr![csr!.length - 1]! ^= 1;
      writeFileSync('damaged.csr', encodePem('CERTIFICATE REQUEST', csr!));
      const args = ['--json', 'ca', 'issue-ca', '--csr', 'damaged.csr', '--issuer', 'root.crt', '--number', '3'];
      const { code, stdout } = await cli.run(
        [...args, '--key', variables['ROOT_KEY']!, '--publication-url', 'http://r.example', '--out', 'other'],
        { env },
      );
      expect(code).not.toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: expect.stringMatching(/^x509\//) } });
    });
  });

  async function doDatedWork(): Promise<void> {
    await registry.app.get(RenewTargets).run();
    await registry.app.get(IssueCrl).run();
    await registry.app.get(PublishTrustRoot).run();
  }
});
