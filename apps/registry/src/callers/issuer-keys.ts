import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';

/** Signatures that tokens may have. None that a shared secret makes, and no `none`. */
export const TOKEN_ALGORITHMS = ['ES256', 'ES384', 'PS256', 'RS256', 'EdDSA', 'Ed25519'];

/** How far the clock of an issuer may be off, in seconds. */
export const CLOCK_TOLERANCE = 30;

const MAX_ANSWER_BYTES = 262_144;
const TIMEOUT_MS = 5_000;

/**
 * Finds where an OpenID issuer publishes its keys (OpenID Connect Discovery 1.0 §4), asking at `discoveryUrl`, and returns what
 * fetches, keeps and renews them. Only for issuers that the operator has named: the address of the keys is theirs to choose.
 * Throws when the issuer does not answer, or not as itself; redirects are not followed.
 */
export async function discoverKeys(issuer: string, discoveryUrl = issuer): Promise<JWTVerifyGetKey> {
  const url = `${discoveryUrl}/.well-known/openid-configuration`;
  const response = await fetchKeys(url, { redirect: 'error', signal: AbortSignal.timeout(TIMEOUT_MS) });
  const metadata = (await response.json()) as { issuer?: unknown; jwks_uri?: unknown };
  if (metadata.issuer !== issuer) throw new Error(`${url} names another issuer.`);
  if (typeof metadata.jwks_uri !== 'string') throw new Error(`${url} names no jwks_uri.`);
  const keys = new URL(metadata.jwks_uri);
  if (keys.protocol !== 'https:' && keys.protocol !== new URL(discoveryUrl).protocol) {
    throw new Error(`${url} publishes its keys without TLS.`);
  }
  return createRemoteJWKSet(keys, { timeoutDuration: TIMEOUT_MS, [customFetch]: fetchKeys });
}

/** As fetch; an answer other than 200, or one that does not end, is no answer. */
async function fetchKeys(url: string, options: RequestInit): Promise<Response> {
  const { status, headers, body } = await fetch(url, options);
  if (status !== 200) throw new Error(`${url} answers ${status}.`);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of (body ?? []) as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > MAX_ANSWER_BYTES) throw new Error(`${url} answers with more than ${MAX_ANSWER_BYTES} bytes.`);
    parts.push(part);
  }
  return new Response(Buffer.concat(parts), { status, headers });
}
