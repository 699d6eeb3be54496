import { createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { draftArtifactStatement, finishStatement } from '@margo-trust/statement';

/**
 * Makes distinct ES256 statements of the demonstration's vendor, one a call. They carry the leaf alone, since the registry
 * knows its issuing CAs.
 */
export function statementMaker(dataDir) {
  const directory = join(dataDir, 'demo/vendor');
  const key = createPrivateKey(readFileSync(join(directory, 'key.pem')));
  const chain = readFileSync(join(directory, 'chain.pem'), 'utf8')
    .split(/(?=-----BEGIN)/)
    .filter((pem) => pem.startsWith('-----BEGIN'))
    .map((pem) => Uint8Array.from(new X509Certificate(pem).raw));
  const leafDer = chain[0];
  const issuer = new X509Certificate(leafDer).subjectAltName.replace(/^URI:/, '');
  return () => {
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
    return Buffer.from(finishStatement(draft, Uint8Array.from(signature), { chain: [leafDer] }));
  };
}
