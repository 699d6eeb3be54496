import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createPublicKey } from 'node:crypto';
import { makeCas, makeLeaf, TEST_VENDOR_ID, type TestIdentity, World } from '@margo-trust/testkit';
import { encodePem } from '@margo-trust/x509';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { problem, serveWorld, type RegistryServer } from '../../../libs/client/test/registry-server.ts';
import { TestCli } from '../../../test/cli.ts';
import { printable } from './printer.ts';

const cli = new TestCli();
let registry: RegistryServer;
beforeAll(async () => {
  registry = await serveWorld(new World());
});
afterEach(() => registry.answers.clear());
afterAll(async () => {
  await registry.close();
  rmSync(cli.home, { recursive: true, force: true });
});

const LOG = { origin: 'log.registry.example', size: '7', root: 'r', committedAt: 'now', checkpointKey: 'key' };
const json = (value: object) => ({ body: JSON.stringify(value) });
const at = () => ['--registry', registry.url];

describe('a command line', () => {
  it('that is wrong exits with 2 and says why, as JSON too', async () => {
    for (const args of [
      [],
      ['bogus'],
      ['verify'],
      ['cert', 'revoke', '01'],
      ['verify', 'x', '--max-age', 'soon'],
      ['log', 'search', '--limit', '0'],
    ]) {
      const plain = await cli.run(args);
      expect([plain.code, plain.stdout], args.join(' ')).toEqual([2, '']);
      expect(plain.stderr).not.toBe('');
      const asJson = await cli.run([...args, '--json']);
      expect(asJson.code).toBe(2);
      expect(asJson.json()).toMatchObject({ ok: false, error: { exitCode: 2, code: 'cli/bad-usage' } });
    }
  });

  it('that asks for help gets it on standard output', async () => {
    const { code, stdout, stderr } = await cli.run(['bundle', 'verify', '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('--root <file>');
    expect((await cli.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('without a registry says how to name one', async () => {
    const { code, stderr } = await cli.run(['log', 'show']);
    expect(code).toBe(2);
    expect(stderr).toContain('--registry');
  });

  it('takes the registry from flag, environment or last sign-in, in this order', async () => {
    registry.answers.set('GET /api/v1/log', () => json(LOG));
    expect((await cli.run(['log', 'show', ...at()])).code).toBe(0);
    const env = { MARGO_TRUST_REGISTRY: registry.url };
    expect((await cli.run(['log', 'show'], { env })).code).toBe(0);
    const wrong = { MARGO_TRUST_REGISTRY: 'http://127.0.0.1:1' };
    expect((await cli.run(['log', 'show', ...at()], { env: wrong })).code).toBe(0);
    expect((await cli.run(['log', 'show'], { env: wrong })).code).toBe(1);
  });
});

describe('what is printed', () => {
  it('are results on standard output, as JSON with ok before them', async () => {
    registry.answers.set('GET /api/v1/log', () => json(LOG));
    const plain = await cli.run(['log', 'show', ...at()]);
    expect([plain.stderr, plain.stdout]).toEqual(['', expect.stringContaining('log        log.registry.example\n')]);
    expect((await cli.run(['--json', 'log', 'show', ...at()])).json()).toEqual({ ok: true, log: LOG });
    expect((await cli.run(['log', 'show', '--quiet', ...at()])).stdout).toBe('');
  });

  it('are failures on standard error, or as JSON on standard output, with the registry’s code', async () => {
    registry.answers.set('GET /api/v1/log', () =>
      problem(503, 'http/not-ready', 'Starting.', { retryAfterSeconds: 1 }),
    );
    const plain = await cli.run(['log', 'show', ...at()]);
    expect([plain.code, plain.stdout]).toEqual([1, '']);
    expect(plain.stderr).toBe('Error: Starting.\nTry again in 1 seconds.\n');
    expect((await cli.run(['log', 'show', '--json', ...at()])).json()).toMatchObject({
      ok: false,
      error: { code: 'http/not-ready', message: 'Starting.', exitCode: 1 },
    });
  });

  it('has colour only for people who want it', async () => {
    const args = ['log', 'show', '--registry', 'http://127.0.0.1:1'];
    expect((await cli.run(args, { terminal: true })).stderr).toContain('\x1b[31mError:\x1b[0m');
    expect((await cli.run(args, { terminal: true, env: { NO_COLOR: '1' } })).stderr).not.toContain('\x1b');
    expect((await cli.run(args)).stderr).not.toContain('\x1b');
  });

  it('cannot move the cursor, whoever wrote it', async () => {
    registry.answers.set('GET /api/v1/log', () => json({ ...LOG, origin: 'evil\x1b[2J\u202e\nfake: line' }));
    const { stdout } = await cli.run(['log', 'show', ...at()]);
    expect(stdout).toContain('evil\ufffd[2J\ufffd\ufffdfake: line');
    expect(printable('Größe 数')).toBe('Größe 数');
  });

  it('never is a stack trace, even for a defect of ours', async () => {
    registry.answers.set('GET /api/v1/log/entries', () => json({ items: 'none' }));
    const { code, stderr } = await cli.run(['log', 'search', 'x', ...at()]);
    expect(code).toBe(1);
    expect(stderr).toContain('Please report this');
    expect(stderr).not.toContain('    at ');
  });
});

describe('sign-ins', () => {
  function offerSignIn(): void {
    const issuer = `${registry.url}/oidc`;
    registry.answers.set('GET /.well-known/oauth-protected-resource', () =>
      json({ resource: registry.url, authorization_servers: [issuer] }),
    );
    registry.answers.set('GET /oidc/.well-known/openid-configuration', () =>
      json({ issuer, device_authorization_endpoint: `${issuer}/device`, token_endpoint: `${issuer}/token` }),
    );
    registry.answers.set('POST /oidc/device', () =>
      json({ device_code: 'd', user_code: 'ABCD-EFGH', verification_uri: `${issuer}/code`, interval: 0.01 }),
    );
    let issued = 0;
    registry.answers.set('POST /oidc/token', () =>
      json({ access_token: `token-${++issued}`, refresh_token: 'refresh', expires_in: 3600 }),
    );
    registry.answers.set('GET /api/v1/me', (_body, { headers }) =>
      json({ issuer, subject: headers.authorization, memberships: [] }),
    );
  }

  it('are kept for their owner only, used, refreshed and forgotten', async () => {
    offerSignIn();
    const now = new Date('2026-11-20T12:00:00Z');
    const login = await cli.run(['login', ...at()], { now });
    expect(login.stderr).toContain('ABCD-EFGH');
    expect(login.stdout).toContain('Signed in at');
    const file = cli.path('.config/margo-trust/config.json');
    expect(statSync(file).mode & 0o777).toBe(0o600);

    expect((await cli.run(['whoami', '--json'], { now })).json()).toMatchObject({ subject: 'Bearer token-1' });
    const later = new Date('2026-11-20T13:00:00Z');
    expect((await cli.run(['whoami', '--json'], { now: later })).json()).toMatchObject({ subject: 'Bearer token-2' });
    expect((await cli.run(['whoami', '--json', '--token', 'mine'], { now })).json()).toMatchObject({
      subject: 'Bearer mine',
    });
    const env = { MARGO_TRUST_TOKEN: 'env' };
    expect((await cli.run(['whoami', '--json'], { now, env })).json()).toMatchObject({ subject: 'Bearer env' });

    expect((await cli.run(['logout'])).stdout).toContain('Signed out');
    expect(readFileSync(file, 'utf8')).not.toContain('token-');
    const gone = await cli.run(['whoami', '--json'], { now });
    expect(gone.json()).toMatchObject({ error: { code: 'cli/not-signed-in' } });
  });

  it('tightens a file that others could read, and reads a damaged one as empty', async () => {
    offerSignIn();
    const file = cli.path('.config/margo-trust/config.json');
    for (const content of ['{', '[]', '{"logins":{"x":1}}', '{"logins":"x"}']) {
      writeFileSync(file, content);
      chmodSync(file, 0o644);
      expect((await cli.run(['login', ...at()])).code).toBe(0);
      expect(statSync(file).mode & 0o777).toBe(0o600);
    }
  });

  it('without a home say what to set', async () => {
    const { code, stderr } = await cli.run(['log', 'show'], { env: { HOME: '' } });
    expect(code).toBe(2);
    expect(stderr).toContain('XDG_CONFIG_HOME');
  });
});

describe('cert request', () => {
  it('makes a key that only its owner can read, and never a second one over it', async () => {
    registry.answers.set('GET /api/v1/me', () =>
      json({ issuer: 'i', subject: 's', memberships: [{ organisation: '01jd5x7m8n9p0q1r2s3t4v5w6x', role: 'owner' }] }),
    );
    const requests: string[] = [];
    registry.answers.set('POST /api/v1/vendors/01jd5x7m8n9p0q1r2s3t4v5w6x/certificates', (body) => {
      requests.push((JSON.parse(body.toString()) as { csr: string }).csr);
      return json({ serial: '01', fingerprint: 'f', subject: 'S', notAfter: 'n', entryId: 'e', chain: 'CHAIN' });
    });
    const [key, chain] = [cli.path('keys/key.pem'), cli.path('keys/chain.pem')];
    const args = ['cert', 'request', '--key', key, '--chain', chain, '--token', 't', ...at()];
    const first = await cli.run(args);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stdout).toContain('(new)');
    expect([statSync(key).mode & 0o777, readFileSync(chain, 'utf8')]).toEqual([0o600, 'CHAIN']);
    const pem = readFileSync(key, 'utf8');
    expect((await cli.run(args)).stdout).not.toContain('(new)');
    expect(readFileSync(key, 'utf8')).toBe(pem);
    expect(requests).toHaveLength(2);
  });

  it('asks which vendor, when there are several or none', async () => {
    const member = (organisation: string) => ({ organisation, role: 'owner' });
    registry.answers.set('GET /api/v1/me', () => json({ memberships: [member('a'), member('b'), member('margo')] }));
    const args = ['cert', 'request', '--key', cli.path('no-key.pem'), '--token', 't', '--json', ...at()];
    expect((await cli.run(args)).json()).toMatchObject({ error: { code: 'cli/ambiguous', exitCode: 2 } });
    registry.answers.set('GET /api/v1/me', () => json({ memberships: [member('margo')] }));
    expect((await cli.run(args)).json()).toMatchObject({ error: { code: 'cli/not-found' } });
    expect(existsSync(cli.path('no-key.pem'))).toBe(false);
  });
});

describe('certificate renew', () => {
  const cas = makeCas();
  const chainOf = ({ certificate }: TestIdentity) => encodePem('CERTIFICATE', certificate.der);
  const old = makeLeaf(cas);
  const path = `POST /api/v1/vendors/${TEST_VENDOR_ID}/certificates`;
  const files = () => {
    const [key, chain] = [cli.path('renew/key.pem'), cli.path('renew/chain.pem')];
    rmSync(cli.path('renew'), { recursive: true, force: true });
    mkdirSync(cli.path('renew'));
    writeFileSync(key, 'OLD KEY');
    writeFileSync(chain, chainOf(old));
    return { key, chain, args: ['certificate', 'renew', '--key', key, '--chain', chain, '--token', 't', ...at()] };
  };
  const answer = (leaf: TestIdentity) => () =>
    json({
      serial: leaf.certificate.serialHex,
      chain: chainOf(leaf),
      fingerprint: 'f',
      subject: 'S',
      notAfter: 'n',
      entryId: 'e',
    });

  it('asks for the same vendor with a new key, and keeps the old files under its serial number', async () => {
    const { key, chain, args } = files();
    const leaf = makeLeaf(cas);
    registry.answers.set(path, answer(leaf));
    const done = await cli.run([...args, '--json']);
    expect(done.code, done.stderr).toBe(0);
    const before = { serial: old.certificate.serialHex, keyFile: `${key}.${old.certificate.serialHex}` };
    expect(done.json()).toMatchObject({ certificate: { serial: leaf.certificate.serialHex }, before });
    expect(readFileSync(before.keyFile, 'utf8')).toBe('OLD KEY');
    expect(readFileSync(`${chain}.${before.serial}`, 'utf8')).toBe(chainOf(old));
    expect(readFileSync(chain, 'utf8')).toBe(chainOf(leaf));
    expect(readFileSync(key, 'utf8')).toContain('PRIVATE KEY');
    expect(readdirSync(cli.path('renew'))).toHaveLength(4);
  });

  it('changes nothing when it is refused, and asks for the same key the next time', async () => {
    const { key, chain, args } = files();
    registry.answers.set(path, () => ({ status: 500, body: '{}' }));
    expect((await cli.run(args)).code).not.toBe(0);
    expect([readFileSync(key, 'utf8'), readFileSync(chain, 'utf8')]).toEqual(['OLD KEY', chainOf(old)]);
    const made = readFileSync(`${key}.next`, 'utf8');
    registry.answers.set(path, answer(makeLeaf(cas)));
    expect((await cli.run(args)).code).toBe(0);
    expect(readFileSync(key, 'utf8')).toBe(made);
  });

  it('fetches the certificate of its key when only the answer was lost', async () => {
    const { key, chain, args } = files();
    registry.answers.set(path, () => ({ status: 500, body: '{}' }));
    await cli.run(args);
    const publicKey = createPublicKey(readFileSync(`${key}.next`, 'utf8'));
    const spki = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }));
    const leaf = makeLeaf(cas, { change: (spec) => ({ ...spec, spki }) });
    const shown = (one: TestIdentity, status: string) => ({
      ...{ serial: one.certificate.serialHex, status, certificate: chainOf(one), chain: chainOf(one) },
      ...{ fingerprint: 'f', subject: 'S', notAfter: 'n', entryId: 'e' },
    });
    registry.answers.set(path, () => problem(409, 'certificate/key-used', 'This key has been certified before.'));
    const list = `GET /api/v1/vendors/${TEST_VENDOR_ID}/certificates`;
    registry.answers.set(list, () => json({ items: [shown(leaf, 'revoked'), shown(old, 'valid')] }));
    expect((await cli.run([...args, '--json'])).json()).toMatchObject({ error: { code: 'certificate/key-used' } });
    registry.answers.set(list, (_, { url }) =>
      json(
        url?.includes('before=more')
          ? { items: [shown(leaf, 'valid')] }
          : { items: [shown(old, 'valid')], next: 'more' },
      ),
    );
    const done = await cli.run([...args, '--json']);
    expect(done.code, done.stderr).toBe(0);
    expect(done.json()).toMatchObject({ certificate: { serial: leaf.certificate.serialHex } });
    expect(readFileSync(chain, 'utf8')).toBe(chainOf(leaf));
    expect(createPublicKey(readFileSync(key, 'utf8')).equals(publicKey)).toBe(true);
  });

  it.each([1, 2, 3])('goes on after it broke off at file %i', async (step) => {
    const { key, chain, args } = files();
    const leaf = makeLeaf(cas);
    const { serialHex } = old.certificate;
    writeFileSync(`${key}.next`, 'NEW KEY');
    writeFileSync(`${chain}.next`, chainOf(leaf));
    if (step > 1) renameSync(key, `${key}.${serialHex}`);
    if (step > 2) renameSync(`${key}.next`, key);
    registry.answers.delete(path); // nobody is asked again: the key was certified
    const done = await cli.run(args);
    expect(done.code, done.stderr).toBe(0);
    expect([readFileSync(key, 'utf8'), readFileSync(chain, 'utf8')]).toEqual(['NEW KEY', chainOf(leaf)]);
    expect(readFileSync(`${key}.${serialHex}`, 'utf8')).toBe('OLD KEY');
  });
});

describe('certificate list', () => {
  const certificate = (serial: string, renewAfter?: string) => ({
    ...{ serial, status: 'valid', assurance: 'software', notAfter: '2099-01-01T00:00:00Z', subject: 'S' },
    ...(renewAfter !== undefined && { renewAfter }),
  });

  it.each([
    ['reminds of what is due', [certificate('02', '2020-01-01T00:00:00Z')], ['02']],
    ['not of what is not', [certificate('02', '2098-01-01T00:00:00Z')], []],
    [
      'nor once a younger one is there',
      [certificate('03', '2098-01-01T00:00:00Z'), certificate('02', '2020-01-01T00:00:00Z')],
      [],
    ],
    ['nor of a build’s', [certificate('02')], []],
  ])('%s', async (_, items, renew) => {
    registry.answers.set(`GET /api/v1/vendors/${TEST_VENDOR_ID}/certificates`, () => json({ items }));
    const listed = await cli.run(['certificate', 'list', TEST_VENDOR_ID, '--json', ...at()]);
    expect(listed.json()).toMatchObject({ renew });
    const { stdout } = await cli.run(['cert', 'list', TEST_VENDOR_ID, ...at()]);
    expect(stdout.includes('margo-trust certificate renew')).toBe(renew.length > 0);
  });
});

describe('workload bind', () => {
  it('sends the forge’s issuer and the claims, and shows the audience to ask for', async () => {
    let sent: unknown;
    registry.answers.set(`POST /api/v1/vendors/${TEST_VENDOR_ID}/workload-bindings`, (body) => {
      sent = JSON.parse(body.toString());
      return json({ ...(sent as object), id: 'b1', audience: 'https://v.example/', entryId: 'e' });
    });
    const args = ['workload', 'bind', 'repo:acme/app:ref:refs/tags/v*', '--vendor', TEST_VENDOR_ID, '--token', 't'];
    const done = await cli.run([...args, '--claim', 'repository_id=42', '--claim', 'a=b=c', ...at()]);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toContain('https://v.example/');
    expect(sent).toEqual({
      issuer: 'https://token.actions.githubusercontent.com',
      subject: 'repo:acme/app:ref:refs/tags/v*',
      claims: [
        { name: 'repository_id', value: '42' },
        { name: 'a', value: 'b=c' },
      ],
    });
    expect((await cli.run([...args, '--claim', 'x', '--json', ...at()])).json()).toMatchObject({
      error: { code: 'cli/bad-usage' },
    });
  });
});

describe('file arguments', () => {
  it.each([
    ['a key that is none', ['sign', 'x.example/a:1', '--key'], 'not a key', 1],
    ['a key that is a directory', ['sign', 'x.example/a:1', '--key'], undefined, 1],
    ['a statement that is none', ['register'], 'not cose', 1],
    ['an initial root that is none', ['root', 'init', '--trust-root', 'tr', '--root'], '{}', 1],
  ])('%s: a sentence and an exit code', async (_what, args, content, expected) => {
    const path = content === undefined ? cli.home : cli.path('argument');
    if (content !== undefined) writeFileSync(path, content);
    const { code, stderr } = await cli.run([...args, path, ...at()]);
    expect(code).toBe(expected);
    expect(stderr).toMatch(/^Error: .*\.\n.+\.\n$/);
  });

  it('that are missing: 2', async () => {
    for (const args of [
      ['sign', 'x.example/a:1'],
      ['register', cli.path('none')],
      ['root', 'init', '--root', cli.path('none')],
    ]) {
      expect((await cli.run([...args, ...at()])).code, args.join(' ')).toBe(2);
    }
  });
});

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('knows the commands, for %s', async (shell) => {
    const { code, stdout } = await cli.run(['completion', shell]);
    expect(code).toBe(0);
    for (const word of ['bundle', 'verify', 'offline', 'approve']) expect(stdout).toContain(word);
  });

  it('does not know other shells', async () => {
    expect((await cli.run(['completion', 'cmd'])).code).toBe(2);
  });
});
