import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

/** An OpenID issuer that says of anybody whatever a test wants. */
export interface TestIssuer {
  /** For OIDC_ISSUER. */
  url: string;
  /** An access token of `subject` for `audience`, good for an hour; `change` replaces claims. */
  token(subject: string, audience: string, change?: Record<string, unknown>): Promise<string>;
  close(): void;
}

export async function startTestIssuer(): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  let url = '';
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    const isKeys = request.url === '/keys';
    response.end(JSON.stringify(isKeys ? { keys: [jwk] } : { issuer: url, jwks_uri: `${url}/keys` }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    token: (subject, audience, change = {}) => {
      const now = Math.floor(Date.now() / 1_000);
      return new SignJWT({ iss: url, sub: subject, aud: audience, iat: now, exp: now + 3_600, ...change })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .sign(privateKey);
    },
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
