/** OpenSSL on the vendor's chain with our CRL and ARL (RFC 5280 §6), and on our time-stamps (RFC 3161). */
import { X509Certificate } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crlUrlOf, demoOf, fetchBytes, loadChain, revokeDemoCertificate } from './demo.ts';
import { expectAccepted, expectRefused } from './expect.ts';
import { client, must, run, startService, temporaryDirectory, type Finished, type Service } from './harness.ts';

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

describe('openssl ts', () => {
  it.each(['sha256', 'sha384', 'sha512'])('accepts a time-stamp over %s', async (hash) => {
    const { query, reply } = await timestamp(hash);
    const verified = await openssl([
      'ts',
      '-verify',
      '-queryfile',
      query,
      '-in',
      reply,
      '-CAfile',
      await saveCa('tsa-ca'),
    ]);
    expectAccepted(verified);
    expect(verified.output).toContain('Verification: OK');
  });

  it('refuses the time-stamp of other data', async () => {
    const { reply } = await timestamp('sha256');
    const other = await save('other', 'other data');
    const refused = await openssl(['ts', '-verify', '-data', other, '-in', reply, '-CAfile', await saveCa('tsa-ca')]);
    expectRefused(refused, 'message imprint mismatch');
  });
});

describe('openssl verify', () => {
  it("accepts the vendor's chain with CRL and ARL", async () => {
    expectAccepted(await verifyChain());
  });

  // Last: the certificate stays revoked.
  it('says "certificate revoked" once it is', async () => {
    await revokeDemoCertificate(service);
    expectRefused(await verifyChain(), 'error 23 at 0 depth lookup');
  });
});

async function verifyChain(): Promise<Finished> {
  const [leaf, ...issuers] = await loadChain(demoOf(service));
  if (leaf === undefined) throw new Error('The demo has no certificate.');
  const crls = await Promise.all([crlUrlOf(leaf), `${service.address}/crl/root/0.crl`].map(saveCrl));
  return openssl([
    ...['verify', '-x509_strict', '-crl_check_all', '-CAfile', await saveCa('root')],
    ...['-untrusted', await save('issuers.pem', issuers.join(''))],
    ...crls.flatMap((file) => ['-CRLfile', file]),
    await save('leaf.pem', leaf.toString()),
  ]);
}

async function timestamp(hash: string): Promise<{ query: string; reply: string }> {
  const query = join(scratch, `${hash}.tsq`);
  await must(client('openssl'), [
    ...['ts', '-query', '-data', await save('data', 'time-stamped data'), `-${hash}`, '-cert', '-out', query],
  ]);
  const response = await fetch(`${service.address}/tsa`, {
    method: 'POST',
    headers: { 'content-type': 'application/timestamp-query' },
    body: await readFile(query),
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toBe('application/timestamp-reply');
  return { query, reply: await save(`${hash}.tsr`, Buffer.from(await response.arrayBuffer())) };
}

/** A CA certificate from `/ca`, DER there as caIssuers wants it (RFC 5280 §4.2.2.1), as PEM. */
async function saveCa(name: string): Promise<string> {
  const der = await fetchBytes(`${service.address}/ca/${name}.crt`);
  return save(`${name}.pem`, new X509Certificate(der).toString());
}

async function saveCrl(url: string): Promise<string> {
  const name = new URL(url).pathname.replaceAll('/', '-');
  const der = await save(`${name}.der`, await fetchBytes(url));
  const pem = join(scratch, `${name}.pem`);
  await must(client('openssl'), ['crl', '-inform', 'DER', '-in', der, '-out', pem]);
  return pem;
}

async function openssl(args: string[]): Promise<Finished> {
  return run(client('openssl'), args);
}

async function save(name: string, data: string | Uint8Array): Promise<string> {
  const path = join(scratch, name);
  await writeFile(path, data);
  return path;
}
