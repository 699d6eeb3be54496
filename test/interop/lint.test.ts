/** zlint, pkilint and `step certificate lint` on every kind of certificate and CRL that the registry issues. */
import { X509Certificate } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { developmentLogin } from '@margo-trust/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoOf, fetchBytes, loadChain } from './demo.ts';
import { client, freePort, must, repository, run, startService, temporaryDirectory, type Service } from './harness.ts';

/** The rules for TLS and mail are for other certificates; those of the IETF, of code signing and of the community are for ours. */
const SOURCES = 'RFC3279,RFC5280,RFC5480,RFC5891,RFC6962,RFC8813,CABF_CS_BR,Community';

let service: Service;
let scratch: string;
/** The certificate of a build. */
let ofBuild: string;

beforeAll(async () => {
  scratch = await temporaryDirectory();
  // pkilint takes localhost in an address for a mistake.
  const port = await freePort();
  service = await startService({ port, env: { PUBLIC_URL: `http://127.0.0.1:${port}` } });
  const env = { HOME: scratch, MARGO_TRUST_REGISTRY: service.address };
  const margoTrust = (...args: string[]) =>
    must(join(repository, 'apps/cli/bin/margo-trust.mjs'), args, { cwd: scratch, env });
  await margoTrust('workload', 'bind', 'victor', '--issuer', `${service.address}/oidc`, '--as', 'victor');
  const { accessToken } = await developmentLogin({ baseUrl: service.address, account: 'victor' });
  await writeFile(join(scratch, 'token.jwt'), accessToken);
  await margoTrust('certificate', 'request', '--identity-token', 'token.jwt');
  [ofBuild = ''] = (await readFile(join(scratch, 'margo-chain.pem'), 'utf8')).split(/(?<=END CERTIFICATE-----\n)/);
});

afterAll(async () => {
  await service?.stop();
  await rm(scratch, { recursive: true, force: true });
});

/** Each answers with errors and warnings by name. */
const LINTERS: Record<string, (pem: string, name?: string) => Promise<string[]>> = {
  zlint: async (pem: string): Promise<string[]> => {
    const { stdout } = await must(client('zlint'), ['-includeSources', SOURCES, await save(pem)]);
    return namesOf(JSON.parse(stdout) as Results);
  },
  'step certificate lint': async (pem: string): Promise<string[]> => {
    const { stdout } = await must(client('step'), ['certificate', 'lint', await save(pem)], { env: { HOME: scratch } });
    return namesOf((JSON.parse(stdout) as { lints: Results }).lints);
  },
  pkilint: async (pem: string, name = ''): Promise<string[]> => {
    const crl = ['lint_crl', 'lint', '-t', name.startsWith('root') ? 'ARL' : 'CRL', '-p', 'PKIX'];
    const [program = '', ...options] = pem.includes('X509 CRL') ? crl : ['lint_pkix_cert', 'lint'];
    // Through the interpreter: its own scripts name the directory that it was installed in first.
    const args = ['-m', `pkilint.bin.${program}`, ...options, '-s', 'WARNING', '-f', 'JSON', await save(pem)];
    const { stdout } = await run(client('pkilint'), args);
    const { results } = JSON.parse(stdout) as {
      results: { finding_descriptions: { severity: string; code: string }[] }[];
    };
    return results.flatMap(({ finding_descriptions: findings }) =>
      findings.map(({ severity, code }) => `${severity} ${code}`),
    );
  },
};

type Results = Record<string, { result: string }>;

function namesOf(results: Results): string[] {
  const all = Object.entries(results);
  expect(all.filter(({ 1: { result } }) => result === 'pass').length).toBeGreaterThan(0);
  return all
    .filter(({ 1: { result } }) => /warn|error|fatal/.test(result))
    .map(([name, { result }]) => `${result} ${name}`);
}

async function save(pem: string): Promise<string> {
  const path = join(scratch, 'linted.pem');
  await writeFile(path, pem);
  return path;
}

describe.each(Object.entries(LINTERS))('%s', (linter, lint) => {
  it.each(['root', 'issuing-1', 'tsa-ca', 'tsa'])('finds nothing wrong in the certificate %s', async (name) => {
    const der = await fetchBytes(`${service.address}/ca/${name}.crt`);
    expect(await lint(new X509Certificate(der).toString())).toEqual([]);
  });

  it("finds nothing wrong in a vendor's certificate", async () => {
    const [leaf] = await loadChain(demoOf(service));
    expect(await lint(leaf?.toString() ?? '')).toEqual([]);
  });

  it('finds nothing wrong in the certificate of a build, which names no CRL', async () => {
    expect(await lint(ofBuild)).toEqual([]);
  });

  // step takes certificates only.
  it.each(linter === 'step certificate lint' ? [] : ['root/0', 'issuing-1/0', 'issuing-1/0.long'])(
    'finds nothing wrong in the CRL %s',
    async (name) => {
      const der = await fetchBytes(`${service.address}/crl/${name}.crl`);
      const pem = `-----BEGIN X509 CRL-----\n${der.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END X509 CRL-----\n`;
      expect(await lint(pem, name)).toEqual([]);
    },
  );
});
