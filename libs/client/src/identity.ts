import { areEqualBytes } from '@margo-trust/bytes';
import { parseCertificate, parsePem, type Certificate } from '@margo-trust/x509';
import { ClientFault } from './fault.ts';
import type { StatementSigner } from './private-key.ts';

/** A vendor that can sign: its key, and the certificates that say whose it is. */
export interface SigningIdentity {
  readonly signer: StatementSigner;
  readonly leaf: Certificate;
  /** DER, leaf to self-signed root. */
  readonly chain: readonly Uint8Array[];
  /** The vendor's URI, which becomes `iss`. */
  readonly issuer: string;
}

/**
 * Joins a key with its chain (PEM, leaf first, complete to the self-signed root). `client/key-mismatch` when the leaf is
 * for another key, `client/incomplete-chain` when a link is missing, or the leaf names no vendor. Under a CA of the vendor's own
 * it need name none: `vendorUri` says for whom it signs.
 *
 * Whether anybody trusts the chain is not looked at: the registry will, when it registers what was signed.
 */
export function openIdentity(signer: StatementSigner, chainPem: string, vendorUri?: string): SigningIdentity {
  const chain = parsePem('CERTIFICATE', chainPem);
  const certificates = chain.map(parseCertificate);
  const [leaf] = certificates;
  if (!leaf || !areEqualBytes(leaf.spki, signer.spki)) {
    throw new ClientFault('client/key-mismatch', 'The first certificate is not for this key.');
  }
  for (const [index, { issuer }] of certificates.entries()) {
    const above = certificates[index + 1] ?? certificates.at(-1);
    if (!above || !areEqualBytes(issuer.der, above.subject.der)) {
      throw new ClientFault('client/incomplete-chain', 'The chain must be complete, from leaf to self-signed root.');
    }
  }
  if (vendorUri !== undefined) return { signer, leaf, chain, issuer: vendorUri };
  const [uri] = leaf.uriSans;
  if (uri === undefined || leaf.uriSans.length > 1) {
    throw new ClientFault('client/incomplete-chain', 'The first certificate names no vendor, and only one, by URI.');
  }
  return { signer, leaf, chain, issuer: uri };
}

/** The vendor's id: the first label of `https://<id>.vendors.<domain>/`. */
export function vendorIdOf({ issuer }: Pick<SigningIdentity, 'issuer'>): string {
  return /^https:\/\/([^./]+)\.vendors\./.exec(issuer)?.[1] ?? '';
}
