import { parseJson, parseUtf8 } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { encodePem } from '@margo-trust/x509';
import { ProtoJson } from './proto-json.ts';

/** Largest request for a certificate, in bytes: a token and a key or a certification request. */
export const MAX_SIGNING_CERT_BYTES = 65_536;
const MAX_TOKEN = 16_384;
const MAX_PEM = 20_000;

/**
 * What a client asks Fulcio for (`POST /api/v2/signingCert`). Nothing in it is verified.
 *
 * `token` is absent where it comes in the Authorization header, as sigstore-go sends it. The key comes in a certification
 * request, which is its own proof, or bare with a signature over the name in the token.
 */
export interface SigningCertRequest {
  readonly token?: string;
  readonly key: { readonly csr: string } | { readonly publicKey: string; readonly proof: Uint8Array };
}

/** Reads such a request; `sigstore/bad-request` or a fault of `parseJson` when it is none. */
export function parseSigningCertRequest(bytes: Uint8Array): SigningCertRequest {
  const request = new ProtoJson(parseJson(bytes, { maxBytes: MAX_SIGNING_CERT_BYTES, maxDepth: 8 }), 'request');
  const token = request.find('credentials')?.find('oidcIdentityToken')?.text(MAX_TOKEN);
  const csr = request.find('certificateSigningRequest');
  const bare = request.find('publicKeyRequest');
  if ((csr === undefined) === (bare === undefined)) {
    throw request.refuse('must have either a certificateSigningRequest or a publicKeyRequest');
  }
  return { ...(token !== undefined && { token }), key: csr ? { csr: readCsr(csr) } : readBareKey(bare ?? request) };
}

/** The certificates in the shape that Fulcio's clients read: PEM, the leaf first. */
export function describeSigningCert(chain: readonly Uint8Array[]): object {
  return { signedCertificateEmbeddedSct: { chain: describeChain(chain) } };
}

/** `GET /api/v2/trustBundle`: each CA that certificates come from, up to its root. */
export function describeTrustBundle(chains: readonly (readonly Uint8Array[])[]): object {
  return { chains: chains.map(describeChain) };
}

/** `GET /api/v2/configuration`: whose tokens are taken, and what a bare key's proof is a signature over. */
export function describeIssuers(issuers: readonly string[], audience: string): object {
  return {
    issuers: issuers.map((issuerUrl) => ({ issuerUrl, audience, challengeClaim: 'sub', spiffeTrustDomain: '' })),
  };
}

function describeChain(chain: readonly Uint8Array[]): object {
  return { certificates: chain.map((der) => encodePem('CERTIFICATE', der)) };
}

/** Bytes in the message's own form, which hold a PEM text. */
function readCsr(csr: ProtoJson): string {
  try {
    return parseUtf8(csr.bytes(MAX_PEM));
  } catch (cause) {
    if (cause instanceof Fault) throw csr.refuse('must be a PEM text in base64', { cause });
    throw cause;
  }
}

function readBareKey(request: ProtoJson): { publicKey: string; proof: Uint8Array } {
  return {
    publicKey: request.get('publicKey').get('content').text(MAX_PEM),
    proof: request.get('proofOfPossession').bytes(1_024),
  };
}
