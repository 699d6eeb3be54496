import { encodeBase64, encodeUtf8, parseJson } from '@margo-trust/bytes';
import { Fault } from '@margo-trust/fault';
import { parseCertificate, parsePem, type Certificate } from '@margo-trust/x509';
import { exchange, parseServerUrl } from './exchange.ts';
import { ClientFault } from './fault.ts';
import { readRefusal } from './refusal.ts';

export interface TokenExchange {
  /** Where the registry answers: HTTPS, or plain HTTP on this machine. */
  readonly url: string;
  readonly plainHttp?: boolean;
  /** What the build's OpenID issuer made for it; its audience is the registry or the URI of the vendor. */
  readonly identityToken: string;
  /** PKCS #10 request in PEM, by the key that is to be certified. */
  readonly csr: string;
}

/**
 * Exchanges a build's identity token for a certificate that lasts a day (`POST /api/v2/signingCert`). Returns it with the PEM of
 * itself and those above it; nothing of it is verified. A RegistryFault says why there is none.
 */
export async function exchangeIdentityToken(request: TokenExchange): Promise<{ leaf: Certificate; chain: string }> {
  const { url, plainHttp = false, identityToken, csr } = request;
  const reply = await exchange({
    method: 'POST',
    url: new URL(`${parseServerUrl(url, { plainHttp })}/api/v2/signingCert`),
    headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: encodeUtf8(
      JSON.stringify({
        credentials: { oidcIdentityToken: identityToken },
        certificateSigningRequest: encodeBase64(encodeUtf8(csr)),
      }),
    ),
  });
  if (reply.status !== 200) throw readRefusal(reply);
  try {
    const { signedCertificateEmbeddedSct: signed } = parseJson(reply.body, { maxBytes: 1 << 20 }) as {
      signedCertificateEmbeddedSct?: { chain?: { certificates?: unknown } };
    };
    const pems = signed?.chain?.certificates;
    const chain = Array.isArray(pems) ? pems.filter((pem) => typeof pem === 'string').join('') : '';
    const [der = new Uint8Array()] = parsePem('CERTIFICATE', chain);
    return { leaf: parseCertificate(der), chain };
  } catch (cause) {
    if (!(cause instanceof Fault) && !(cause instanceof TypeError)) throw cause;
    throw new ClientFault('client/bad-answer', 'The answer holds no certificate.', { cause });
  }
}
