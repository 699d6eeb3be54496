/** zlint on every kind of certificate and CRL that the registry issues. */
import { X509Certificate } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { developmentLogin } from '@margo-trust/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoOf, fetchBytes, loadChain } from './demo.ts';
import { client, must, repository, startService, temporaryDirectory, type Service } from './harness.ts';

/** The rules for TLS and mail are for other certificates; those of the IETF, of code signing and of the community are for ours. */
const SOURCES = 'RFC3279,RFC5280,RFC5480,RFC5891,RFC6962,RFC8813,CABF_CS_BR,Community';

let service: Service;
let scratch: string;

beforeAll(async () => {
  scratch = await temporaryDirectory();
  service = await startService();
});

afterAll(async () => {
  await service?.stop();
  await rm(scratch, { recursive: true, force: true });
});

describe('zlint', () => {
  it.each(['root', 'issuing-1', 'tsa-ca', 'tsa'])('finds nothing wrong in the certificate %s', async (name) => {
    const der = await fetchBytes(`${service.address}/ca/${name}.crt`);
    expect(await lint(new X509Certificate(der).toString())).toEqual([]);
  });

  it("finds nothing wrong in a vendor's certificate", async () => {
    const [leaf] = await loadChain(demoOf(service));
    expect(await lint(leaf?.toString() ?? '')).toEqual([]);
  });

  it('finds nothing wrong in the certificate of a build, which names no CRL', async () => {
    const env = { HOME: scratch, MARGO_TRUST_REGISTRY: service.address };
    const margoTrust = (...args: string[]) =>
      must(join(repository, 'apps/cli/bin/margo-trust.mjs'), args, { cwd: scratch, env });
    await margoTrust('workload', 'bind', 'victor', '--issuer', `${service.address}/oidc`, '--as', 'victor');
    const { accessToken } = await developmentLogin({ baseUrl: service.address, account: 'victor' });
    await writeFile(join(scratch, 'token.jwt'), accessToken);
    await margoTrust('certificate', 'request', '--identity-token', 'token.jwt');
    const [leaf = ''] = (await readFile(join(scratch, 'margo-chain.pem'), 'utf8')).split(/(?<=END CERTIFICATE-----\n)/);
    expect(await lint(leaf)).toEqual([]);
  });

  it.each(['root/0', 'issuing-1/0'])('finds nothing wrong in the CRL %s', async (name) => {
    const der = await fetchBytes(`${service.address}/crl/${name}.crl`);
    const pem = `-----BEGIN X509 CRL-----\n${der.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END X509 CRL-----\n`;
    expect(await lint(pem)).toEqual([]);
  });
});

/** Errors and warnings by name. */
async function lint(pem: string): Promise<string[]> {
  const path = join(scratch, 'linted.pem');
  await writeFile(path, pem);
  const { stdout } = await must(client('zlint'), ['-includeSources', SOURCES, path]);
  const results = Object.entries(JSON.parse(stdout) as Record<string, { result: string }>);
  expect(results.filter(({ 1: { result } }) => result === 'pass').length).toBeGreaterThan(0);
  return results
    .filter(({ 1: { result } }) => /warn|error|fatal/.test(result))
    .map(([name, { result }]) => `${result} ${name}`);
}
