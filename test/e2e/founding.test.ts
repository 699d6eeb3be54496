import { execFile } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestIssuer, type TestIssuer } from '../issuer.ts';
import { type OutsidePostgres, startOutsidePostgres } from '../postgres.ts';
import { cleanEnvironment, freePort, readyLine, repository, startProgram, stopProgram } from '../service.ts';
import { makeSoftHsm, PIN, SOFT_HSM, type SoftHsm } from '../soft-hsm.ts';
import { readDocCommands } from './doc-commands.ts';

const run = promisify(execFile);
const commands = readDocCommands(readFileSync(join(repository, 'docs/operations/founding.md'), 'utf8'));
const isOnline = (text: string) => /founding (online-keys|plan|complete)|ca request/.test(text);
const isSigning = (text: string) => text.includes('founding sign') && text.includes('--yes');

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** A registry in production whose offline keys were never with it, founded as the page says. */
describe('docs/operations/founding.md', () => {
  let directory: string;
  let url: string;
  let postgres: OutsidePostgres;
  let issuer: TestIssuer;
  /** Where it is installed, one of the keyholders has a token in place of a file. */
  let hsm: SoftHsm | undefined;
  let service: ReturnType<typeof startProgram> | undefined;
  /** What the service and the operator's commands on its machine know. */
  let online: NodeJS.ProcessEnv;
  /** As `founding plan` prints it, for comparison elsewhere. */
  let planHash = 'no plan yet';
  /** Fingerprints of certificates and ids of keys that it prints. */
  let named: readonly string[] = [];

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'margo-founding-'));
    [postgres, issuer] = [await startOutsidePostgres(), await startTestIssuer()];
    hsm = SOFT_HSM === undefined ? undefined : makeSoftHsm();
    const port = await freePort();
    url = `http://localhost:${port}`;
    online = {
      ...{ MODE: 'production', HOST: '127.0.0.1', PORT: String(port), PUBLIC_URL: url, DATABASE_URL: postgres.url },
      ...{ REGISTRY_DOMAIN: 'registry.example', OIDC_ISSUER: issuer.url, GOVERNANCE_MEMBERS: 'alice,bob' },
      ...{ KEYS_DIR: join(directory, 'keys'), KEYS_PASSPHRASE: 'battery staple', DATA_DIR: join(directory, 'data') },
      LOG_LEVEL: 'error',
    };
  });
  afterAll(async () => {
    if (service) await stopProgram(service);
    issuer?.close();
    await postgres?.stop();
    hsm?.remove();
    await rm(directory, { recursive: true, force: true });
  });

  const shell = async (text: string, env: NodeJS.ProcessEnv): Promise<Ended> => {
    const base = {
      ...cleanEnvironment(),
      PATH: `${join(repository, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
    };
    const command = text.replaceAll('npx margo-trust', 'margo-trust');
    const options = { cwd: directory, env: { ...base, ...env } };
    return run('sh', ['-c', command], options).then(
      ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({
        code,
        output: stdout + stderr,
      }),
    );
  };
  const offline = (text: string) => {
    const held = hsm ? text.replace('safe/tuf-targets-3.pem', `'${hsm.uri('tuf-targets-3')}'`) : text;
    const token = hsm ? { SOFTHSM2_CONF: hsm.env['SOFTHSM2_CONF'], PKCS11_PIN: PIN } : {};
    return shell(held, { MARGO_TRUST_KEY_PASSPHRASE: 'correct horse', ...token });
  };
  const complete = (change: NodeJS.ProcessEnv = {}) =>
    shell('npx margo-trust founding complete ceremony', { ...online, ...change });
  const at = (...names: string[]) => join(directory, 'ceremony', ...names);
  const refused = (pattern: RegExp) => ({ code: 1, output: expect.stringMatching(pattern) as string });

  it.each(commands)('line $line: $text', async ({ text }) => {
    if (text.includes('founding complete')) await refuseWhatIsWrong();
    const pasted = text.replaceAll('http://registry.example', url);
    const ended = isOnline(text) ? await shell(pasted, online) : await offline(pasted);
    expect(ended, ended.output).toMatchObject({ code: 0 });
    if (text.includes('founding plan')) {
      named = ended.output.match(/\b[0-9a-f]{64}\b/g) ?? [];
      expect(named, 'five certificates and six keys').toHaveLength(11);
      planHash = /^plan: (.*)$/m.exec(ended.output)?.[1] ?? expect.fail(ended.output);
    }
    if (text.includes('founding sign')) {
      expect(ended.output).toContain(planHash);
      for (const hash of named) expect(ended.output, 'what is signed is shown').toContain(hash);
    }
    if (isSigning(text) && text.includes('tuf-root-1')) await refuseOneSigner();
  });

  async function refuseOneSigner(): Promise<void> {
    expect(await complete()).toMatchObject(refused(/root role needs 2 signatures.*has 1.*tuf\/threshold-not-met/));
    copyFileSync(at('founding.root-1.signature.json'), at('founding.again.signature.json'));
    expect(await complete(), 'the same key twice').toMatchObject(refused(/has 1.*tuf\/threshold-not-met/));
    rmSync(at('founding.again.signature.json'));
  }

  /** The service on a database in which nothing was founded. */
  async function refuseToServe(): Promise<void> {
    const main = `'${process.execPath}' '${join(repository, 'apps/registry/dist/main.js')}'`;
    const { code, output } = await shell(`${main} 2>sentence`, online);
    expect(code, output).toBe(1);
    expect(output).not.toMatch(/^ready /m);
    const logged = output
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { level: number; msg: string });
    const sentence = readFileSync(join(directory, 'sentence'), 'utf8').trim();
    expect(sentence).toMatch(
      /^The registry in this database was never founded.*`margo-trust founding`.*\(log\/not-open\)$/,
    );
    expect(logged).toEqual([expect.objectContaining({ level: 60, msg: sentence })]);
  }

  async function refuseWhatIsWrong(): Promise<void> {
    await refuseToServe();
    expect(await complete({ REGISTRY_DOMAIN: 'other.example' })).toMatchObject(
      refused(/root\.crt is of .*other\.example/),
    );
    expect(await complete({ PUBLIC_URL: 'http://localhost:9' })).toMatchObject(refused(/authority\/unfit/));
    expect(await complete({ MODE: 'development' })).toMatchObject(refused(/MODE=production/));

    const keys = { KEYS_DIR: join(directory, 'other-keys') };
    expect(await shell('npx margo-trust founding online-keys', { ...online, ...keys })).toMatchObject({ code: 0 });
    expect(await complete(keys)).toMatchObject(refused(/issuing-1\.crt certifies another key/));

    const [mine, other] = [join(directory, 'keys/tuf-live.pem'), join(directory, 'other-keys/tuf-live.pem')];
    renameSync(mine, `${mine}.mine`);
    copyFileSync(other, mine);
    expect(await complete()).toMatchObject(refused(/The plan was made for other.*the keys of live would be different/));
    renameSync(`${mine}.mine`, mine);

    const plan = readFileSync(at('founding.json'), 'utf8');
    writeFileSync(at('founding.json'), plan.replace('"threshold":2', '"threshold":1'));
    expect(await complete()).toMatchObject(refused(/the keys of root would be different/));
    writeFileSync(at('founding.json'), `${plan} `);
    expect(await complete()).toMatchObject(refused(/tuf\/malformed/));
    const evil =
      'npx margo-trust ca init --domain registry.example --key safe/evil.pem --out elsewhere --present Eve --yes';
    expect(await offline(evil)).toMatchObject({ code: 0 });
    const root = readFileSync(join(directory, 'elsewhere/root.crt')).toString('base64');
    const store = plan.replace(/("notation\.ca\.margo\.2\.crt":")[^"]*/, `$1${root}`);
    expect(store).not.toBe(plan);
    writeFileSync(at('founding.json'), store);
    expect(await complete()).toMatchObject(refused(/: notation\.ca\.margo\.2\.crt would be different/));
    const unseen = 'npx margo-trust founding sign ceremony/founding.json --key safe/tuf-root-3.pem --out elsewhere';
    expect(await offline(unseen)).toMatchObject(
      refused(/notation\.ca\.margo\.2\.crt holds a certificate that .* not name/),
    );
    writeFileSync(at('founding.json'), plan);

    const stranger = 'npx margo-trust founding key --role root --number 1 --key safe/stranger.pem --out elsewhere';
    expect(await offline(`${stranger} --present Eve --yes`)).toMatchObject({ code: 0 });
    const sign = 'npx margo-trust --json founding sign ceremony/founding.json --key safe/stranger.pem --out elsewhere';
    expect(await offline(`${sign} --present Eve --yes`)).toMatchObject(refused(/cli\/ceremony-refused/));

    renameSync(at('root.crl'), at('root.crl.away'));
    expect(await complete()).toMatchObject(refused(/root\.crl is missing/));
    renameSync(at('root.crl.away'), at('root.crl'));
  }

  it('founds once', async () => {
    expect(await complete()).toMatchObject(refused(/This database is the registry of registry\.example already/));
  });

  it('leaves keys that nobody but their owner can open, and none where the service is', () => {
    for (const name of readdirSync(join(directory, 'safe'))) {
      expect(readFileSync(join(directory, 'safe', name), 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    }
    expect(existsSync(join(directory, 'safe/tuf-targets-3.pem'))).toBe(hsm === undefined);
    for (const name of readdirSync(at())) expect(readFileSync(at(name), 'utf8')).not.toContain('PRIVATE KEY');
    expect(readdirSync(join(directory, 'keys'))).not.toContain('offline');
    rmSync(join(directory, 'safe'), { recursive: true });
  });

  it('leaves a registry that serves without them', async () => {
    service = startProgram(process.execPath, [join(repository, 'apps/registry/dist/main.js')], online);
    await readyLine(service, /^ready (http\S+)/);
    await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 60_000 }).toBe(200);
    expect(existsSync(join(directory, 'keys/offline'))).toBe(false);
    for (const path of ['/crl/root/0.crl', '/crl/root-2/0.crl', '/ca/root-2.crt', '/tuf/1.root.json']) {
      expect((await fetch(`${url}${path}`)).status, path).toBe(200);
    }
    expect(await (await fetch(`${url}/tuf/1.root.json`)).text()).toBe(readFileSync(at('root.json'), 'utf8'));
  });

  it('admits a vendor, certifies it, logs what it signs, and devices with the initial root of the ceremony take it', async () => {
    const as = async (account: string, text: string) => {
      const MARGO_TRUST_TOKEN = await issuer.token(account, url);
      const ended = await shell(`npx margo-trust ${text}`, { MARGO_TRUST_REGISTRY: url, MARGO_TRUST_TOKEN });
      expect(ended, ended.output).toMatchObject({ code: 0 });
      return ended.output;
    };
    const claims = [
      '--application-id-prefix nextcloud- --application-id-prefix com-go-otel-',
      '--oci-namespace registry.example.com/library',
    ].join(' ');
    await as(
      'victor',
      `vendor apply --legal-name "Acme Ltd" --country IE --state Cork --security-contact mailto:a@b.example ${claims}`,
    );
    await as('alice', 'vendor approve "Acme Ltd" --note "Register extract checked."');
    await as('bob', 'vendor approve "Acme Ltd" --note "Register extract checked."');
    await as('victor', 'certificate request');
    await as('victor', 'example my-app.oci');
    await as('victor', 'sign my-app.oci:1.0.0 --release');
    await as('victor', 'root init --root ceremony/root.json');
    await as('victor', 'bundle create my-app.oci:1.0.0 --output my-app.bundle');
    const verify = 'npx margo-trust bundle verify my-app.bundle --root ceremony/root.json';
    await stopProgram(service!);
    expect(await shell(verify, {})).toMatchObject({ code: 0, output: expect.stringMatching(/^trusted: /) as string });
  });
});
