import { createHash, randomBytes, sign, type KeyObject } from 'node:crypto';
import { draftArtifactStatement, finishStatement } from '@margo-trust/statement';
import { parsePem } from '@margo-trust/x509';

/** A vendor's signature (ES256), of an artifact that nobody has seen before unless one is named; `chain` is PEM, leaf first. */
export function signSomeArtifact(
  issuer: string,
  key: KeyObject,
  chainPem: string,
  digest = `sha256:${randomBytes(32).toString('hex')}`,
): Uint8Array {
  const chain = parsePem('CERTIFICATE', chainPem);
  const draft = draftArtifactStatement({
    algorithm: 'ES256',
    issuer,
    subject: `oci:image:${digest}`,
    target: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 7 },
    signingTime: new Date(),
    leafDer: chain[0]!,
  });
  const signature = sign('sha256', draft.toBeSigned, { key, dsaEncoding: 'ieee-p1363' });
  return finishStatement(draft, Uint8Array.from(signature), { chain });
}

/** A request to Rekor v2 to log a vendor's signature (P-256) of something that nobody has seen before. */
export function requestHashedRekord(key: KeyObject, chainPem: string): string {
  const [leaf] = parsePem('CERTIFICATE', chainPem);
  const signed = randomBytes(32);
  return JSON.stringify({
    hashedRekordRequestV002: {
      digest: createHash('sha256').update(signed).digest('base64'),
      signature: {
        content: sign('sha256', signed, key).toString('base64'),
        verifier: {
          x509Certificate: { rawBytes: Buffer.from(leaf!).toString('base64') },
          keyDetails: 'PKIX_ECDSA_P256_SHA_256',
        },
      },
    },
  });
}
