import { verifyStatementSignature, type Statement } from '@margo-trust/statement';
import { parseCertificate, verifyPath, type Certificate } from '@margo-trust/x509';
import { verifyRegistrySignature } from './registry-signature.ts';
import { NotChecked, Refused } from './steps.ts';
import type { Trust } from './trust.ts';

export type Signer = { kind: 'vendor'; certificate: Certificate; organization: string } | { kind: 'registry' };

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';

/** Ties a statement to its issuer: by a certificate that was good `at` that time, or by a key of the registry. */
export function verifySigner(statement: Statement, trust: Trust, at: Date): Signer {
  if (!statement.x5t) {
    verifyRegistrySignature(statement, trust);
    return { kind: 'registry' };
  }
  const [leaf, ...others] = statement.chain;
  if (!leaf) throw new NotChecked('Not checked, because the statement came without its certificate.');
  const certificate = parseCertificate(leaf);
  verifyPath({
    leaf: certificate,
    intermediates: [...others, ...trust.intermediates],
    anchors: trust.anchors,
    at,
    eku: CODE_SIGNING,
  });
  // RFC 5280 allows many names; the profile allows one, and it is the statement's issuer.
  if (certificate.uriSans.length !== 1 || certificate.uriSans[0] !== statement.issuer) {
    throw new Refused('The certificate was issued to somebody else than the statement’s issuer.');
  }
  verifyStatementSignature(statement, certificate.publicKey);
  return { kind: 'vendor', certificate, organization: organizationOf(certificate) };
}

/** `O` of the subject (RFC 5280 §4.1.2.6): the vendor's legal name, as the registry's CA checked it. */
export function organizationOf(certificate: Certificate): string {
  const attribute = certificate.subject.rdns.flat().find(({ oid }) => oid === '2.5.4.10');
  return attribute?.value ?? certificate.subjectText;
}
