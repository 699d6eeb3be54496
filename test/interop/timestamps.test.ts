/** Time-stamps asked for and judged by the clients of others: OpenSSL, Sigstore's timestamp-cli and @sigstore/sign. */
import { randomBytes, X509Certificate } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TSAWitness } from '@sigstore/sign';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fetchBytes } from './demo.ts';
import { expectAccepted, expectRefused } from './expect.ts';
import { client, must, run, startService, temporaryDirectory, type Service } from './harness.ts';
import { noteSeen } from './seen.ts';

let service: Service;
let scratch: string;
let artifact: string;
let root: string;

beforeAll(async () => {
  scratch = await temporaryDirectory();
  service = await startService();
  artifact = await save('artifact', randomBytes(1_000));
  root = await save('tsa-ca.pem', new X509Certificate(await fetchBytes(`${service.address}/ca/tsa-ca.crt`)).toString());
});

afterAll(async () => {
  await service?.stop();
  await rm(scratch, { recursive: true, force: true });
});

describe('openssl ts', () => {
  it.each([
    ['with nonce and certificate', ['-cert']],
    ['without certificate', []],
    ['without nonce', ['-cert', '-no_nonce']],
  ])('verifies a stamp %s', async (_what, options) => {
    const [query, reply] = [join(scratch, 'query.tsq'), join(scratch, 'reply.tsr')];
    await must(client('openssl'), ['ts', '-query', '-data', artifact, '-sha256', ...options, '-out', query]);
    await writeFile(reply, await post('/tsa', await readFile(query)));
    const args = ['ts', '-verify', '-queryfile', query, '-in', reply, '-CAfile', root, '-untrusted', await saveChain()];
    const verified = await run(client('openssl'), args);
    expectAccepted(verified);
    expect(verified.output).toContain('Verification: OK');
    const { stdout } = await must(client('openssl'), ['ts', '-reply', '-in', reply, '-text']);
    expect(stdout).toContain('Accuracy: 0x03 seconds');
    expect(stdout).toContain('Ordering: no');
  });
});

describe('timestamp-cli', () => {
  const timestampCli = (...args: string[]) =>
    run(client('timestamp-cli'), ['--timestamp_server', service.address, ...args], { env: { HOME: scratch } });

  it.each(['sha256', 'sha384', 'sha512'])('is given a stamp over %s and verifies it', async (hash) => {
    const reply = join(scratch, `${hash}.tsr`);
    expectAccepted(await timestampCli('timestamp', '--artifact', artifact, '--hash', hash, '--out', reply));
    const judge = ['verify', '--timestamp', reply, '--root-certificates', root, '--artifact'];
    expectAccepted(await timestampCli(...judge, artifact));
    expectRefused(await timestampCli(...judge, await save('other', 'other data')), /hash|digest|imprint/i);
  });

  it('is told no for another policy', async () => {
    const out = join(scratch, 'none.tsr');
    const asked = await timestampCli('timestamp', '--artifact', artifact, '--tsa-policy', '1.2.3.4', '--out', out);
    expectRefused(asked, /policy/i);
  });
});

describe('@sigstore/sign', () => {
  it('is given a stamp that OpenSSL verifies', async () => {
    noteSeen('@sigstore/sign');
    const signature = randomBytes(64);
    const witness = new TSAWitness({ tsaBaseURL: service.address });
    const bundle = { $case: 'messageSignature', messageSignature: { signature } } as const;
    const { rfc3161Timestamps } = await witness.testify(bundle as Parameters<typeof witness.testify>[0]);
    const reply = await save('js.tsr', rfc3161Timestamps?.[0]?.signedTimestamp ?? Buffer.alloc(0));
    const data = await save('signature', signature);
    // It does not ask for the certificate.
    const args = ['ts', '-verify', '-data', data, '-in', reply, '-CAfile', root, '-untrusted', await saveChain()];
    expectAccepted(await run(client('openssl'), args));
  });
});

async function post(path: string, query: Uint8Array): Promise<Buffer> {
  const response = await fetch(`${service.address}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/timestamp-query' },
    body: Buffer.from(query),
  });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/timestamp-reply']);
  return Buffer.from(await response.arrayBuffer());
}

async function saveChain(): Promise<string> {
  return save('chain.pem', await fetchBytes(`${service.address}/api/v1/timestamp/certchain`));
}

async function save(name: string, data: string | Uint8Array): Promise<string> {
  const path = join(scratch, name);
  await writeFile(path, data);
  return path;
}
