/** Statements of the demonstration's vendor, as many as a test, a benchmark or a chaos run wants. */
import { createHash, createPrivateKey, randomBytes, sign, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { draftArtifactStatement, finishStatement } from '@margo-trust/statement';

/**
 * Distinct ES256 artifact signatures, one a call, with the log entry that each becomes. `directory` holds the vendor's
 * `key.pem` and `chain.pem`. `leafOnly` leaves out the issuing CAs, which the registry knows.
 */
export function statementMaker(directory, { leafOnly = false } = {}) {
  const key = createPrivateKey(readFileSync(join(directory, 'key.pem')));
  const whole = readFileSync(join(directory, 'chain.pem'), 'utf8')
    .split(/(?=-----BEGIN)/)
    .filter((pem) => pem.startsWith('-----BEGIN'))
    .map((pem) => Uint8Array.from(new X509Certificate(pem).raw));
  const leafDer = whole[0];
  const chain = leafOnly ? [leafDer] : whole;
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
    const signature = Uint8Array.from(sign('sha256', draft.toBeSigned, { key, dsaEncoding: 'ieee-p1363' }));
    // Without chain the unprotected header is empty, and these are the bytes that the log's entry is the digest of.
    const entry = createHash('sha256').update(finishStatement(draft, signature)).digest();
    return { body: Buffer.from(finishStatement(draft, signature, { chain })), entry };
  };
}
