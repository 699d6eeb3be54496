import { createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { draftArtifactStatement, finishStatement } from '@margo-trust/statement';
import { describe, load } from './load.mjs';
import { residentBytes, withService } from './service.mjs';

const STATEMENTS = 20_000;

/** Vendor-signed statements, each sent once, receipt in the answer. Durable: fsync is on. */
export function measureRegistrations() {
  return withService(async ({ url, dataDir, pid }) => {
    const statements = makeStatements(join(dataDir, 'demo/vendor'), STATEMENTS);
    const size = statements[0]?.length ?? 0;
    let next = 0;
    const draw = () => {
      const body = statements[next++];
      if (body === undefined) return undefined;
      const headers = { 'Content-Type': 'application/cose', 'Content-Length': body.length };
      return { url: `${url}/entries`, method: 'POST', headers, body };
    };
    const firstOnly = (count) => {
      let left = count;
      return () => (left-- > 0 ? draw() : undefined);
    };
    await load({ connections: 16, draw: firstOnly(500), expect: 201 });
    const alone = await load({ connections: 1, draw: firstOnly(300), expect: 201 });
    const many = await load({ connections: 256, draw, expect: 201 });
    return [
      [`one connection, ${size} byte statements`, describe(alone)],
      ['256 connections', describe(many)],
      ['resident memory afterwards', `${Math.round(residentBytes(pid) / 2 ** 20)} MiB`],
    ];
  });
}

function makeStatements(directory, count) {
  const key = createPrivateKey(readFileSync(join(directory, 'key.pem')));
  const pems = readFileSync(join(directory, 'chain.pem'), 'utf8').split(/(?=-----BEGIN)/);
  const chain = pems
    .filter((pem) => pem.startsWith('-----BEGIN'))
    .map((pem) => Uint8Array.from(new X509Certificate(pem).raw));
  const leafDer = chain[0];
  const issuer = new X509Certificate(leafDer).subjectAltName.replace(/^URI:/, '');
  return Array.from({ length: count }, () => {
    const digest = `sha256:${randomBytes(32).toString('hex')}`;
    const draft = draftArtifactStatement({
      algorithm: 'ES256',
      issuer,
      subject: `oci:image:${digest}`,
      target: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 444 },
      signingTime: new Date(),
      leafDer,
    });
    const signature = sign('sha256', draft.toBeSigned, { key, dsaEncoding: 'ieee-p1363' });
    return Buffer.from(finishStatement(draft, Uint8Array.from(signature), { chain }));
  });
}
