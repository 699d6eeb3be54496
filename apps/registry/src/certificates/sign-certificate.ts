import {
  assembleSigned,
  type Certificate,
  type CertificateSpec,
  encodeTbsCertificate,
  parseCertificate,
} from '@margo-trust/x509';
import type { Signer } from '../keys/signer.ts';

/** Encodes and signs a certificate. Nothing is checked but that the key signs as the specification says. */
export async function signCertificate(spec: CertificateSpec, signer: Signer): Promise<Certificate> {
  if (signer.algorithm !== spec.algorithm) throw new Error(`The issuer's key signs ${signer.algorithm}.`);
  const tbs = encodeTbsCertificate(spec);
  return parseCertificate(assembleSigned(tbs, spec.algorithm, await signer.sign(tbs)));
}
