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
  return signTbs(encodeTbsCertificate(spec), signer);
}

/** Signs an encoded TBSCertificate, whose algorithm must be the key's. */
export async function signTbs(tbs: Uint8Array, signer: Signer): Promise<Certificate> {
  return parseCertificate(assembleSigned(tbs, signer.algorithm, await signer.sign(tbs)));
}
