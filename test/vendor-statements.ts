/** Statements of the demonstration's vendor, as many as a test wants, and the way they go into the log. */
import { createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { draftArtifactStatement, finishStatement } from '@margo-trust/statement';

/** Distinct artifact signatures of the demo vendor, one a call. */
export async function statementsOf(dataDir: string): Promise<() => Uint8Array> {
  const read = (name: string) => readFile(join(dataDir, 'demo/vendor', name), 'utf8');
  const key = createPrivateKey(await read('key.pem'));
  const chain = (await read('chain.pem'))
    .split(/(?=-----BEGIN)/)
    .filter((pem) => pem.startsWith('-----BEGIN'))
    .map((pem) => Uint8Array.from(new X509Certificate(pem).raw));
  const leafDer = chain[0]!;
  const issuer = new X509Certificate(leafDer).subjectAltName?.replace(/^URI:/, '') ?? '';
  return () => {
    const digest = `sha256:${randomBytes(32).toString('hex')}`;
    const draft = draftArtifactStatement({
      algorithm: 'ES256',
      issuer,
      subject: `oci:image:${digest}`,
      target: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 },
      signingTime: new Date(),
      leafDer,
    });
    const signature = sign('sha256', draft.toBeSigned, { key, dsaEncoding: 'ieee-p1363' });
    return finishStatement(draft, Uint8Array.from(signature), { chain });
  };
}

/**
 * Registers what `draw` gives, `count` times over so many kept-alive connections; every answer must be 201.
 * A client of its own because `fetch` alone would take longer than the service.
 */
export async function registerMany(
  url: string,
  draw: () => Uint8Array,
  count: number,
  connections = 128,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  let left = count;
  const writers = Array.from({ length: connections }, async () => {
    while (left-- > 0) {
      const { status, body } = await post(`${url}/entries`, draw(), agent);
      if (status !== 201) throw new Error(`POST /entries answered ${status}: ${body.toString('latin1')}`);
    }
  });
  await Promise.all(writers).finally(() => agent.destroy());
}

function post(url: string, body: Uint8Array, agent: Agent): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/cose', 'content-length': body.length };
    const sent = request(url, { method: 'POST', headers, agent }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts) }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
