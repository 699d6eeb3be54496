/**
 * The online keys in a token that `pkcs11-tool` has filled, and a hand-over to a new issuing CA whose key is made there as well. Stock
 * `notation` and `openssl` judge what was signed under either CA, before and after both were revoked.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseCertificate, parsePem } from '@margo-trust/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeSoftHsm, PIN, type SoftHsm } from '../soft-hsm.ts';
import { expectAccepted, expectRefused } from './expect.ts';
import { demoOf, type Demo } from './demo.ts';
import { client, must, repository, run, startService, temporaryDirectory, waitUntil, type Service } from './harness.ts';
import { loadSigned } from './layout.ts';

const KEYS = {
  ...{ 'log-receipt': 'EC:prime256v1', 'log-sct': 'EC:prime256v1', record: 'EC:prime256v1' },
  ...{ 'ca-issuing-1': 'EC:secp384r1', tsa: 'EC:prime256v1' },
};

let hsm: SoftHsm;
let keys: string;
let home: string;
let service: Service;
let demo: Demo;

beforeAll(async () => {
  hsm = makeSoftHsm();
  keys = await mkdtemp(join(tmpdir(), 'margo-rollover-keys-'));
  home = await temporaryDirectory();
  for (const [i, [slot, type]] of Object.entries(KEYS).entries()) {
    hsm.tool('--keypairgen', '--key-type', type, '--label', slot, '--id', `0${i + 1}`);
    await writeFile(join(keys, `${slot}.uri`), `${hsm.uri(slot)}&pin-source=file:${hsm.pinFile}\n`);
  }
  service = await startService({ env: { KEYS_DIR: keys, SOFTHSM2_CONF: hsm.env['SOFTHSM2_CONF'] } });
  demo = demoOf(service);
});
afterAll(async () => {
  await service?.stop();
  hsm?.remove();
  for (const each of [keys, home]) await rm(each, { recursive: true, force: true });
});

const margoTrust = (...args: string[]) =>
  must(join(repository, 'apps/cli/bin/margo-trust.mjs'), args, {
    cwd: home,
    env: { HOME: home, MARGO_TRUST_REGISTRY: service.address, ...hsm.env, PKCS11_PIN: PIN },
  });

describe('an issuing CA in a token hands over to the next', () => {
  const young = () => join(home, 'app.oci');

  it('what was signed under the first is accepted', async () => {
    expectAccepted(await verify(demo.layout));
    expect(hsm.tool('--list-objects', '--type', 'privkey')).not.toMatch(/Access:(?!.*never extractable)/);
  });

  it('the second takes over by ceremony', async () => {
    const uri = hsm.uri('ca-issuing-2');
    await margoTrust('ca', 'request', '--key', uri, '--out', 'issuing-2.csr');
    await writeFile(join(keys, 'ca-issuing-2.uri'), `${uri}&pin-source=file:${hsm.pinFile}\n`);
    await must('curl', ['-sSf', '-o', join(home, 'root.crt'), `${service.address}/ca/root.crt`]);
    const issuer = ['--issuer', 'root.crt', '--key', join(keys, 'offline/ca-root.pem'), '--number', '2'];
    const room = ['--present', 'Ada', '--present', 'Grace', '--yes'];
    await margoTrust(
      ...['ca', 'issue-ca', '--csr', 'issuing-2.csr', ...issuer, '--publication-url', service.address, '--out', 'out'],
      ...room,
    );
    await margoTrust('ca', 'rollover', 'publish', 'out/issuing-2.crt', '--as', 'alice', '--yes');
    const args = ['ca', 'rollover', 'switch', 'issuing-2', '--as', 'bob', '--yes'];
    await waitUntil('the trust root lists issuing-2', async () => {
      const env = { HOME: home, MARGO_TRUST_REGISTRY: service.address };
      return (await run(join(repository, 'apps/cli/bin/margo-trust.mjs'), args, { cwd: home, env })).code === 0;
    });
  });

  it('what is signed under the second is accepted, and what was under the first still is', async () => {
    await margoTrust('certificate', 'request', '--as', 'victor');
    await margoTrust('example', 'app.oci');
    await margoTrust('sign', 'app.oci:1.0.0');
    expectAccepted(await verify(young()));
    expectAccepted(await verify(demo.layout));
    expect(issuerIn(await must('cat', [join(home, 'margo-chain.pem')]))).toContain('Issuing CA 2');
    expect(issuerIn(await must('cat', [demo.chain]))).toContain('Issuing CA 1');
  });

  it.each([
    ['first', () => demo.chain],
    ['second', () => join(home, 'margo-chain.pem')],
  ])('openssl verifies the chain of the %s', async (_, chain) => {
    await must('openssl', ['x509', '-inform', 'der', '-in', join(home, 'root.crt'), '-out', join(home, 'root.pem')]);
    const args = ['verify', '-x509_strict', '-CAfile', join(home, 'root.pem'), '-untrusted', chain(), chain()];
    expect((await must('openssl', args)).output).toContain('OK');
  });

  // Last: nothing verifies afterwards.
  it.each([
    ['first', () => demo.layout, () => demo.chain],
    ['second', young, () => join(home, 'margo-chain.pem')],
  ])('what was signed under the %s is refused once its certificate is revoked', async (_, layout, chain) => {
    const [leaf = new Uint8Array()] = parsePem('CERTIFICATE', (await must('cat', [chain()])).stdout);
    const { serialHex } = parseCertificate(leaf);
    await margoTrust('certificate', 'revoke', serialHex, '--reason', 'keyCompromise', '--as', 'victor');
    await waitUntil('the CRL is out', async () => (await verify(layout())).output.includes('is revoked'));
    expectRefused(await verify(layout()), 'is revoked');
  });
});

function issuerIn({ stdout }: { stdout: string }): string {
  const [leaf = new Uint8Array()] = parsePem('CERTIFICATE', stdout);
  return parseCertificate(leaf).issuerText;
}

/** Each time with an empty cache: notation would trust a CRL it has until its nextUpdate. */
async function verify(layout: string) {
  const [digest] = await loadSigned(layout, 'package');
  const cache = join(home, 'notation-cache');
  await rm(cache, { recursive: true, force: true });
  await mkdir(cache);
  const env = { XDG_CONFIG_HOME: demo.configHome, XDG_CACHE_HOME: cache, NOTATION_EXPERIMENTAL: '1' };
  const args = ['verify', '-v', '--oci-layout', `${layout}@${digest}`, '--scope', 'registry.example/margo/app'];
  return run(client('notation'), args, { env });
}
